"""The process that plays the people."""
