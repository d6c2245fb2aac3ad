"""The one check that reads files instead of the history: no text and no secret in any log of a run.

Bodies are not kept, so they are found by the canary that each of them carries; credentials are found by their shape.
What was found is named by file and line, never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.checks.catalogue import NO_LEAKS
from harness.core.results import CheckResult, Witness
from harness.core.verdicts import Verdict

MAX_WITNESSES = 5

_SHAPES = (
    ("a bearer token", re.compile(rb"Bearer [A-Za-z0-9_.~+/=-]{16,}")),
    ("a push token", re.compile(rb"\bup\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{4,}")),
)


@dataclass(frozen=True, slots=True)
class Leak:
    """One line that shows what it must not."""

    file: str
    line: int
    what: str

    @property
    def text(self) -> str:
        """Where it is and what, without showing it."""
        return f"line {self.line} of logs/{self.file} shows {self.what}."


def scan_logs(folder: Path, canary: str, *, required: bool = False) -> CheckResult:
    """Look for message bodies and credentials in the logs of a run; ``folder`` is the run's.

    Without a ``canary`` (a history of older make) bodies cannot be recognised, and only credentials are looked for.
    """
    lines = 0
    leaks: list[Leak] = []
    for file in sorted(one for one in (folder / "logs").rglob("*") if one.is_file()):
        read, found = _scan(file, file.relative_to(folder / "logs").as_posix(), canary.encode())
        lines += read
        leaks += found
    verdict, note = _verdict(lines, leaks, required=required)
    return CheckResult(
        id=NO_LEAKS.id,
        verdict=verdict,
        required=required,
        exercised=lines,
        violations=len(leaks),
        witnesses=tuple(Witness(text=leak.text) for leak in _one_of_each_first(leaks)),
        note=note,
    )


def _scan(file: Path, name: str, canary: bytes) -> tuple[int, list[Leak]]:
    found, number = [], 0
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            found += [Leak(name, number, what) for what in _shown(line, canary)]
    return number, found


def _shown(line: bytes, canary: bytes) -> Iterator[str]:
    if canary and canary in line:
        yield "the text of a message"
    yield from (what for what, shape in _SHAPES if shape.search(line))


def _verdict(lines: int, leaks: list[Leak], *, required: bool) -> tuple[Verdict | None, str]:
    if leaks:
        return Verdict.FAIL, ""
    if lines:
        return Verdict.PASS, ""
    return (Verdict.INCONCLUSIVE if required else None), "no log of the run has anything in it"


def _one_of_each_first(leaks: list[Leak]) -> list[Leak]:
    """A log that leaks a thousand times must not hide another that leaks once."""
    seen: dict[tuple[str, str], int] = {}
    ranked = []
    for leak in leaks:
        key = (leak.file, leak.what)
        seen[key] = seen.get(key, 0) + 1
        ranked.append((seen[key], leak))
    ranked.sort(key=lambda one: one[0])
    return [leak for _, leak in ranked[:MAX_WITNESSES]]
