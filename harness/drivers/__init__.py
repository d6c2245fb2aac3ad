"""Chat protocols spoken as a device, and the client behaviours that sit on them."""
