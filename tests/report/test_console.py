"""The console as a listener of the stream."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.core.plan import ScenarioPlan
from harness.core.verdicts import Verdict
from harness.engine.stream import FaultMoved, PhaseStarted, RunFinished, RunStarted
from harness.report.console import Console, progress_for
from harness.report.progress import LiveProgress, NoProgress, PlainProgress
from harness.report.style import style_for
from harness.report.text import Detail

Finished = Callable[..., RunFinished]
Planned = Callable[..., ScenarioPlan]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def _life(_folder: Path, _result: object) -> str:
    return "the life"


def test_results_go_to_one_stream_and_progress_to_the_other(plan: Planned, finished: Finished) -> None:
    """Without a terminal each run has a plain line of progress and its result on the other stream."""
    progress, results = io.StringIO(), io.StringIO()
    console = Console(PlainProgress(progress), results, {}, Detail(), _life)
    item = finished(Verdict.FAIL)
    console(RunStarted(item.run, plan(), 7, Path("runs/x"), 1, "no_dedup"))
    console(PhaseStarted(item.run, "baseline", 2.0))
    console(item)
    assert progress.getvalue() == "bad-day: started with seed 7, mutant no_dedup in runs/x\n"
    assert results.getvalue().startswith("FAIL")
    assert "\nthe life\n" in results.getvalue()


def test_verbose_progress_shows_phases_and_rungs(plan: Planned, finished: Finished) -> None:
    """With -v every phase and every rung of a fault has its line."""
    stream = io.StringIO()
    progress = PlainProgress(stream, verbose=True)
    item = finished()
    progress.show(RunStarted(item.run, plan(), 7, Path("runs/x"), 2, None))
    progress.show(PhaseStarted(item.run, "baseline", 2.0))
    progress.show(PhaseStarted(item.run, "heal", None))
    progress.show(FaultMoved(item.run, item.result.faults[0]))
    assert stream.getvalue().splitlines() == [
        "bad-day: started with seed 7, attempt 2 in runs/x",
        "bad-day: baseline (2 s)",
        "bad-day: heal",
        "bad-day: fault crash recovered",
    ]


def test_a_run_that_will_be_repeated_is_progress_not_result(finished: Finished) -> None:
    """An inconclusive run that is about to be rerun leaves no result, only a line of progress."""
    progress, results = io.StringIO(), io.StringIO()
    console = Console(PlainProgress(progress), results, {}, Detail(), _life)
    console(replace(finished(Verdict.INCONCLUSIVE), rerun=True))
    assert results.getvalue() == ""
    assert progress.getvalue() == "run-bad-day: inconclusive, will be repeated\n"


def test_json_leaves_stdout_alone(finished: Finished) -> None:
    """Without a stream for results nothing but progress is written, and no life is looked up."""

    def never(_folder: Path, _result: object) -> str:
        raise AssertionError

    console = Console(NoProgress(), None, {}, Detail(), never)
    console(finished(Verdict.FAIL))
    console.close([], 1)


def test_a_terminal_gets_live_lines_that_vanish(plan: Planned, finished: Finished) -> None:
    """On a terminal a line shows run, phase and faults, and is cleared before the result."""
    stream = Terminal()
    now = iter(range(100))
    progress = LiveProgress(stream, now=lambda: float(next(now)))
    item = finished()
    progress.show(RunStarted(item.run, plan(), 7, Path("runs/x"), 1, None))
    progress.show(PhaseStarted(item.run, "observe", 4.0))
    progress.show(FaultMoved(item.run, item.result.faults[0]))
    progress.pause()
    drawn = stream.getvalue()
    assert "bad-day" in drawn
    assert "observe (4 s)" in drawn
    assert "crash recovered" in drawn
    assert drawn.endswith("\x1b[2K")
    progress.show(item)
    assert stream.getvalue() == drawn


def test_how_progress_is_shown_depends_on_who_looks() -> None:
    """Quiet shows none, a terminal live lines, a dumb terminal and a file plain ones."""
    assert isinstance(progress_for(Terminal(), {}, Detail(quiet=True)), NoProgress)
    assert isinstance(progress_for(Terminal(), {}, Detail()), LiveProgress)
    assert isinstance(progress_for(Terminal(), {"TERM": "dumb"}, Detail()), PlainProgress)
    assert isinstance(progress_for(io.StringIO(), {}, Detail()), PlainProgress)


def test_colour_follows_the_conventions() -> None:
    """NO_COLOR beats FORCE_COLOR beats the terminal; empty values count as unset."""
    assert style_for(Terminal(), {}).enabled
    assert not style_for(io.StringIO(), {}).enabled
    assert style_for(io.StringIO(), {"FORCE_COLOR": "1"}).enabled
    assert not style_for(Terminal(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}).enabled
    assert style_for(Terminal(), {"NO_COLOR": ""}).enabled
    assert not style_for(Terminal(), {"TERM": "dumb"}).enabled
