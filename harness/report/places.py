"""Paths as a person wants to read them."""

from __future__ import annotations

from pathlib import Path


def near(path: Path) -> str:
    """Return the path as seen from the working folder when it lies below it, else in full."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
