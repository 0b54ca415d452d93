"""What is told outside of SMPP: mails, and callbacks when they come. See `worker`."""
