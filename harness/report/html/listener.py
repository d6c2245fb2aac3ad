"""Writes the report of each run as it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.engine.stream import RunFinished, StreamItem
from harness.report.html.page import write_report
from harness.report.places import near


class HtmlReport:
    """A listener of the stream that leaves ``report.html`` in the folder of each run.

    ``warn`` is told when one could not be written: a verdict is not lost for want of its picture.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn

    def __call__(self, item: StreamItem) -> None:
        """Write the report of a run that is over."""
        if isinstance(item, RunFinished):
            self._write(item.folder)

    def _write(self, folder: Path) -> None:
        try:
            write_report(folder)
        except Exception as problem:  # noqa: BLE001 - see above: the result stands, and the command below shows why
            told = f"{type(problem).__name__}: {problem}"
            self._warn(f"no report of {near(folder)}: {told}\n  to try again: chat-chaos report {near(folder)}\n")
