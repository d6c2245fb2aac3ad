"""Helpers for authors of drivers, faults and checks."""
