"""The console: progress on stderr, results on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.engine.stream import ProxyServing, RunFinished, RunSkipped, StreamItem
from harness.report.html import NAME
from harness.report.places import near
from harness.report.progress import LiveProgress, NoProgress, PlainProgress, Progress
from harness.report.style import style_for
from harness.report.text import Detail, Judged, describe_run, describe_session, describe_skip

LifeOf = Callable[[Path, RunResult], str]


class Console:
    """Shows a session to a person; a listener of the stream.

    ``life_of`` tells the story of the message that a broken promise is about. With ``results`` None (``--json``) only
    the progress is shown.
    """

    def __init__(
        self, progress: Progress, results: TextIO | None, environ: Mapping[str, str], detail: Detail, life_of: LifeOf
    ) -> None:
        self._progress = progress
        self._results = results
        self._style = style_for(results or sys.stderr, environ)
        self._detail = detail
        self._life_of = life_of
        self.skipped: list[RunSkipped] = []
        self._told: set[str] = set()

    def __call__(self, item: StreamItem) -> None:
        """Show one fact."""
        if isinstance(item, RunSkipped):
            self.skipped.append(item)
            self._progress.pause()
            self._write(describe_skip(item, self._style))
            return
        if isinstance(item, ProxyServing):
            self._warn(item)
        self._progress.show(item)
        if isinstance(item, RunFinished) and not item.rerun:
            self._finished(item)

    def close(self, results: Sequence[RunResult], exit_code: int) -> None:
        """Write the closing lines of a session of several runs."""
        self._progress.pause()
        if len(results) + len(self.skipped) > 1:
            self._write(["", *describe_session(results, len(self.skipped), exit_code, self._style)])

    def pause(self) -> None:
        """Leave the terminal clean, as for a message about an interruption."""
        self._progress.pause()

    def _warn(self, item: ProxyServing) -> None:
        """Say once a session what this proxy server does otherwise than the faults mean it."""
        news = [] if self._detail.quiet else [caveat for caveat in item.caveats if caveat not in self._told]
        if news:
            self._told.update(news)
            self._progress.pause()
            sys.stderr.write("".join(f"warning: {caveat}\n" for caveat in news))

    def _finished(self, item: RunFinished) -> None:
        if self._results is None:
            return
        broken = item.result.counts_as is Verdict.FAIL and not self._detail.quiet
        life = self._life_of(item.folder, item.result) if broken else ""
        self._progress.pause()
        judged = Judged(item.result, near(item.folder), item.elapsed_s, life, _report_of(item.folder))
        self._write(describe_run(judged, self._style, self._detail))

    def _write(self, lines: Sequence[str]) -> None:
        if self._results is not None:
            self._results.write("".join(f"{line}\n" for line in lines))
            self._results.flush()


def _report_of(folder: Path) -> str | None:
    """Return the page of a run, if whoever writes it did."""
    page = folder / NAME
    return near(page) if page.is_file() else None


def progress_for(stream: TextIO, environ: Mapping[str, str], detail: Detail) -> Progress:
    """Choose how to show progress: live lines on a terminal, plain lines elsewhere, none when quiet."""
    if detail.quiet:
        return NoProgress()
    if stream.isatty() and environ.get("TERM") != "dumb" and not detail.verbose:
        return LiveProgress(stream)
    return PlainProgress(stream, verbose=detail.verbose)
