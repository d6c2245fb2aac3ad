"""Disturbances with apply, read-back, undo and evidence: one file a family."""
