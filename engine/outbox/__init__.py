"""What is told outside of SMPP: mails (`worker`) and callbacks (`callbacks`)."""
