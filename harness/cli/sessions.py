"""Runs a session of scenarios in front of a person: listeners, interruption, exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO, TypeVar

from harness.cli.boundary import Interrupted
from harness.cli.options import Choices, parameters
from harness.core.plan import ScenarioPlan
from harness.core.results import RunResult
from harness.core.seeds import fresh_seed
from harness.core.verdicts import worst
from harness.engine.matrix import Cell, run_matrix
from harness.engine.options import RunOptions
from harness.engine.session import run_session
from harness.engine.stream import Listener, RunFinished, RunStarted, StreamItem
from harness.report.console import Console, progress_for
from harness.report.html.listener import HtmlReport
from harness.report.lives import life_of
from harness.report.places import near
from harness.report.text import Detail

T = TypeVar("T")


def options_from(choices: Choices) -> RunOptions:
    """Make the engine's options out of the common flags; draws a seed where none was given."""
    return RunOptions(
        seed=fresh_seed().value if choices.seed is None else choices.seed,
        out=choices.out,
        stack=choices.stack,
        launcher=choices.launcher.value,
        proxy=choices.proxy.value,
        parameters=parameters(choices.settings),
    )


def console_for(choices: Choices) -> Console:
    """Make the console that these flags ask for; with ``--json`` it shows the progress only."""
    return _console(choices, None if choices.as_json else sys.stdout)


def progress_console(choices: Choices) -> Console:
    """Make a console that shows the progress and leaves results to the caller."""
    return _console(choices, None)


def play(plans: Sequence[ScenarioPlan], options: RunOptions, console: Console, *others: Listener) -> list[RunResult]:
    """Run the scenarios and return their results in the order of the plans; each run leaves its page in its folder.

    Raises ``Interrupted``, which names the folders of the runs underway, on Ctrl-C.
    """
    reports = HtmlReport(lambda text: _warn(console, text))
    return _interruptible(lambda listener: run_session(plans, options, listener, reports), console, others)


def play_matrix(
    plans: Sequence[ScenarioPlan], options: RunOptions, console: Console, *, full: bool, repeat: int
) -> list[Cell]:
    """Run the scenarios against the healthy backend and its mutants; raises as ``play`` does."""
    return _interruptible(lambda listener: run_matrix(plans, options, listener, full=full, repeat=repeat), console)


def session_code(results: Sequence[RunResult]) -> int:
    """Return the exit code of the worst verdict; what was listed beforehand counts as a pass."""
    return worst(result.counts_as for result in results).exit_code


def _console(choices: Choices, results: TextIO | None) -> Console:
    detail = Detail(quiet=choices.quiet, verbose=choices.verbose)
    progress = progress_for(sys.stderr, os.environ, detail)
    return Console(progress, results, os.environ, detail, lambda folder, result: life_of([folder], result))


def _interruptible(
    work: Callable[[Listener], Coroutine[None, None, T]], console: Console, others: Sequence[Listener] = ()
) -> T:
    underway = _Underway()
    try:
        # The console comes last: it names what the others wrote.
        return asyncio.run(work(_all_of([underway, *others, console])))
    except KeyboardInterrupt:
        # Pressed again by now, it tore apart what the first one let end in order: asyncio would tell of every piece;
        # pressed from here on, it would only hide what is said at the end.
        logging.getLogger("asyncio").disabled = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Interrupted("interrupted", hint=underway.hint()) from None
    finally:
        console.pause()


def _warn(console: Console, text: str) -> None:
    console.pause()
    sys.stderr.write(text)


@dataclass(slots=True)
class _Underway:
    """Knows which runs have begun and not ended."""

    folders: dict[str, Path] = field(default_factory=dict)

    def __call__(self, item: StreamItem) -> None:
        if isinstance(item, RunStarted):
            self.folders[item.run] = item.folder
        elif isinstance(item, RunFinished):
            self.folders.pop(item.run, None)

    def hint(self) -> str:
        """Say where the evidence of the unfinished runs lies."""
        if not self.folders:
            return "no run was underway"
        folders = " ".join(near(folder) for folder in self.folders.values())
        return f"what was recorded lies in {folders}; to judge it: chat-chaos check {folders}"


def _all_of(listeners: Sequence[Callable[[StreamItem], None]]) -> Listener:
    def tell_all(item: StreamItem) -> None:
        for listener in listeners:
            listener(item)

    return tell_all
