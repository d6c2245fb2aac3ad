"""Writes the report of each run once it is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.report.html.page import write_report
from harness.report.places import near


class HtmlReport:
    """Leaves ``report.html`` in the folder of each judged run.

    ``warn`` is told when one could not be written: a verdict is not lost for want of its picture.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn

    def __call__(self, folder: Path) -> None:
        """Write the report of the run in this folder."""
        try:
            write_report(folder)
        except Exception as problem:  # noqa: BLE001 - see above: the result stands, and the command below shows why
            told = f"{type(problem).__name__}: {problem}"
            self._warn(f"no report of {near(folder)}: {told}\n  to try again: chat-chaos report {near(folder)}\n")
