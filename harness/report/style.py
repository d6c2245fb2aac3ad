"""Colour where a person looks, plain text everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from harness.core.verdicts import Verdict

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36"}
_VERDICTS = {
    Verdict.FAIL: ("red", "bold"),
    Verdict.ERROR: ("magenta", "bold"),
    Verdict.INCONCLUSIVE: ("yellow", "bold"),
    Verdict.PASS: ("green",),
}


@dataclass(frozen=True, slots=True)
class Style:
    """Wraps text in terminal colours, or leaves it alone."""

    enabled: bool

    def paint(self, text: str, *names: str) -> str:
        """Return the text in these colours (names of ``_CODES``)."""
        if not self.enabled or not names:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def verdict(self, verdict: Verdict, width: int = 0) -> str:
        """Return the verdict in capitals and its colour, padded to ``width``."""
        return self.paint(verdict.value.upper().ljust(width), *_VERDICTS[verdict])


def style_for(stream: TextIO, environ: Mapping[str, str]) -> Style:
    """Decide on colour: ``NO_COLOR`` wins, then ``FORCE_COLOR``, then whether a terminal is there to show it."""
    if environ.get("NO_COLOR"):
        return Style(enabled=False)
    if environ.get("FORCE_COLOR"):
        return Style(enabled=True)
    return Style(enabled=stream.isatty() and environ.get("TERM") != "dumb")
