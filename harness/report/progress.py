"""What is going on right now, on stderr: a live line for each run on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

from harness.engine.stream import FaultMoved, PhaseStarted, ProxyServing, RunFinished, RunStarted
from harness.report.places import near

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


Step = RunStarted | ProxyServing | PhaseStarted | FaultMoved | RunFinished


class Progress(Protocol):
    """Shows what goes on; ``pause`` clears the way for lines of result on the same terminal."""

    def show(self, item: Step) -> None:
        """Take note of one fact."""
        ...

    def pause(self) -> None:
        """Take everything transient off the screen until the next fact."""
        ...


class NoProgress:
    """Says nothing (``-q``)."""

    def show(self, item: Step) -> None:
        """Ignore it."""

    def pause(self) -> None:
        """Nothing is on the screen."""


@dataclass(slots=True)
class PlainProgress:
    """One line for a run that starts or will be repeated; ``verbose`` adds phases and the ladder of each fault."""

    stream: TextIO
    verbose: bool = False
    _names: dict[str, str] = field(default_factory=dict)

    def show(self, item: Step) -> None:
        """Write the line of this fact, if it has one."""
        if isinstance(item, RunStarted):
            self._names[item.run] = item.plan.id
        line = self._line(item)
        if line:
            self.stream.write(f"{self._names.get(item.run, item.run)}: {line}\n")
            self.stream.flush()

    def pause(self) -> None:
        """Lines stay where they are."""

    def _line(self, item: Step) -> str:
        match item:
            case RunStarted():
                again = f", attempt {item.attempt}" if item.attempt > 1 else ""
                mutant = f", mutant {item.mutant}" if item.mutant else ""
                return f"started with seed {item.seed}{mutant}{again} in {near(item.folder)}"
            case ProxyServing() if self.verbose:
                return f"proxy {item.kind} {item.version}: {item.why}"
            case PhaseStarted() if self.verbose:
                return f"{item.phase}{_expected(item)}"
            case FaultMoved() if self.verbose:
                return f"fault {item.fault.id} {item.fault.gap or item.fault.rung}"
            case RunFinished() if item.rerun:
                return f"{item.result.verdict}, will be repeated"
        return ""


@dataclass(slots=True)
class _Line:
    """What the live line of one run shows."""

    name: str
    since: float
    phase: str = "starting"
    faults: dict[str, str] = field(default_factory=dict)


class LiveProgress:
    """A line for each run underway, redrawn four times a second, gone when the run is over."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._lines: dict[str, _Line] = {}
        self._live: Live | None = None

    def show(self, item: Step) -> None:
        """Bring the line of this run up to date."""
        line = self._lines.get(item.run)
        match item:
            case RunStarted():
                mutant = f" with {item.mutant}" if item.mutant else ""
                self._lines[item.run] = _Line(f"{item.plan.id}{mutant}", self._now())
            case PhaseStarted() if line:
                line.phase = f"{item.phase}{_expected(item)}"
            case FaultMoved() if line:
                line.faults[item.fault.id] = item.fault.gap or item.fault.rung
            case RunFinished():
                self._lines.pop(item.run, None)
        if self._lines:
            self._resume()
        else:
            self.pause()

    def pause(self) -> None:
        """Take the lines off the screen."""
        if self._live:
            self._live.stop()
            self._live = None

    def _resume(self) -> None:
        if self._live:
            return
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.live import Live  # noqa: PLC0415

        # Results go to stdout untouched: Live would otherwise divert them to this stream.
        self._live = Live(
            console=Console(file=self._stream),
            get_renderable=self._render,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _render(self) -> Table:
        from rich.table import Table  # noqa: PLC0415

        table = Table.grid(padding=(0, 2))
        for line in list(self._lines.values()):
            faults = "  ".join(f"{fault} {rung}" for fault, rung in line.faults.items())
            table.add_row(f"{self._now() - line.since:5.1f} s", line.name, line.phase, faults)
        return table


def _expected(item: PhaseStarted) -> str:
    return "" if item.expected_s is None else f" ({item.expected_s:g} s)"
