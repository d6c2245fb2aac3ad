"""Clearing away what runs left behind whose watcher died too; every start does it, and so may the user."""

from __future__ import annotations

import tempfile

from harness.stacks import folders, journal

_UNDO_LIMIT_S = 2.0


def sweep(root: str | None = None) -> list[str]:
    """Undo and remove the leftovers of dead runs under ``root`` (default: the system's temporary folder).

    Returns the folders that were removed. Runs in progress are not touched.
    """
    removed = []
    for folder, journaled in folders.leftovers(root or tempfile.gettempdir()):
        if journaled:
            journal.carry_out(journal.outstanding(journaled), within_s=_UNDO_LIMIT_S)
        folders.remove(folder)
        removed.append(folder)
    return removed
