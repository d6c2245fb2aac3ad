"""The last words of a service, for the sentence that tells of its failure."""

from __future__ import annotations

from pathlib import Path

_LINES = 12
_BYTES = 32768
_WIDTH = 300


def last_lines(log: Path) -> str:
    """Return the end of a log, indented, with the line before it that says which; a phrase when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _BYTES))
            lines = file.read().decode(errors="replace").splitlines()[-_LINES:]
    except OSError:
        lines = []
    if not lines:
        return f"it wrote nothing to {log}"
    return "\n".join([f"the end of {log}:", *(f"    {_cut(line)}" for line in lines)])


def _cut(line: str) -> str:
    """Some programs list all that they know in one line."""
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…"
