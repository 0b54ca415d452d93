"""The road between the queue and the carriers: binds, and the turns that feed them."""
