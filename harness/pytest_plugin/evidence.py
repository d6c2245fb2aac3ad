"""What a test leaves behind of its run, as text and as plain data that survives the way from a worker."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.engine.folder import RunFolder
from harness.engine.options import RunOptions
from harness.history.faults import fault_windows
from harness.history.ingest import open_history
from harness.history.timeline import Line, draw
from harness.report.lives import life_of
from harness.report.places import near
from harness.report.style import Style
from harness.report.text import Detail, Judged, describe_findings, describe_run

LOG_LINES = 20
_TAIL_BYTES = 64 * 1024
Property = tuple[str, str | int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One judged run and the texts that tell of it."""

    result: RunResult
    folder: Path
    again: str
    """The command that runs just this test again."""
    elapsed_s: float | None = None

    @property
    def reason(self) -> str:
        """Return in one line why the verdict is what it is, or which listed finding it was."""
        weighty = [reason for reason in self.result.unlisted if reason.verdict is self.result.counts_as]
        if not weighty:
            return "; ".join(describe_findings(self.result)) or str(self.result.verdict)
        first = next((reason for reason in weighty if reason.check), weighty[0])
        text = first.text.partition("\n")[0]
        return f"{first.check}: {text}" if first.check and not text.startswith(first.check) else text

    def story(self, place: str) -> str:
        """Return what a person needs to act: the reason, where the test stands, what broke, the life, the way back."""
        life = life_of([self.folder], self.result) if self.result.counts_as is Verdict.FAIL else ""
        judged = Judged(self.result, near(self.folder), self.elapsed_s, life)
        lines = [self.reason, "", place, *describe_run(judged, Style(enabled=False), Detail())]
        if self.result.replay != self.again:
            lines.append(f"  again     {self.again}")
        return "\n".join(lines)

    def properties(self) -> Iterator[Property]:
        """Yield what JUnit and the controller of a parallel session get to know."""
        result = self.result
        yield "chaos_verdict", str(result.verdict)
        yield "chaos_counts_as", str(result.counts_as)
        if result.expected:
            yield "chaos_expected", ", ".join(result.expected)
        yield "chaos_reason", self.reason
        yield "chaos_run", result.run
        yield "chaos_folder", str(self.folder)
        yield "chaos_seed", result.seed
        yield "chaos_stack", result.stack_label
        yield "chaos_launcher", result.launcher
        yield "chaos_proxy", result.proxy
        yield "chaos_attempts", result.attempts
        if result.mutant:
            yield "chaos_mutant", result.mutant
        facts = RunFolder(self.folder).read_facts()
        for what, version in (facts.versions if facts else {}).items():
            yield f"chaos_version_{what}", version

    def sections(self) -> Iterator[tuple[str, str]]:
        """Yield the timeline of the run and the end of each service's log, each with its title."""
        if story := timeline(self.folder):
            yield "chat-chaos timeline", story
        for log in sorted(RunFolder(self.folder).logs.glob("*.log")):
            if text := tail(log):
                yield f"chat-chaos log of {log.stem}", text

    def attach_to(self, item: pytest.Item) -> None:
        """Put all of it on the reports of a test; the texts only where something is to be explained."""
        others = [(name, value) for name, value in item.user_properties if not name.startswith("chaos_")]
        item.user_properties[:] = [*others, *self.properties()]
        if self.result.verdict is not Verdict.PASS:
            for title, text in self.sections():
                item.add_report_section("call", title, text)


def timeline(folder: Path) -> str:
    """Return the phases and faults of a run on the clock of the run; empty when nothing was recorded."""
    try:
        history = open_history([folder])
    except UsageError:
        return ""
    with history:
        windows = fault_windows(history)
        origin_ns = history.number("select origin_ns from run_times")
        lines = [Line(ns, "engine", name) for name, ns in history.rows("select phase, started_ns from phases")]
    for window in windows:
        name = f"fault {window.fault}: {window.kind} on {window.target}"
        if window.from_ns is not None:
            lines.append(Line(window.from_ns, "engine", f"{name} installed", fault=window.fault))
        if window.healed_ns is not None:
            lines.append(Line(window.healed_ns, "engine", f"{name} healed", fault=window.fault))
    return "\n".join(draw(lines, windows, origin_ns, None))


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-LOG_LINES:])


def again_line(path: Path, name: str, options: RunOptions) -> str:
    """Return the command by which pytest runs one test again with the same inputs."""
    words = ["pytest", f"{near(path)}::{name}", "--chaos-seed", str(options.seed)]
    for flag, value in (("--chaos-stack", options.stack), ("--chaos-mutant", options.mutant)):
        words += [flag, value] if value is not None else []
    for key, value in options.parameters.items():
        words += ["--chaos-set", f"{key}={value}"]
    return shlex.join(words)
