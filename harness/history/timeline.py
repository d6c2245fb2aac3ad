"""Draws events down a page, with a bar for each fault beside what happened while it was in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.history.faults import FaultWindow

WIDTH = 120
_WHO = 18


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened at a moment of the monotonic clock; ``fault`` names the bar that begins or ends here."""

    mono_ns: int
    who: str
    text: str
    fault: str | None = None


def draw(lines: Sequence[Line], faults: Sequence[FaultWindow], origin_ns: int, dashed: Line | None) -> list[str]:
    """Return the lines in the order of time, each under its time since ``origin_ns``; ``dashed`` never happened."""
    rows = [(line.mono_ns, index, line, False) for index, line in enumerate(lines)]
    if dashed is not None:
        rows.append((dashed.mono_ns, len(lines), dashed, True))
    rows.sort(key=lambda row: row[:2])
    return [_row(line, faults, origin_ns, never=never) for _, _, line, never in rows]


def _row(line: Line, faults: Sequence[FaultWindow], origin_ns: int, *, never: bool) -> str:
    bars = "".join(_bar(fault, line) for fault in faults)
    if never:
        text = f"{'- - - - -':>9}   {bars}  {line.who:<{_WHO}}  {line.text} "
        return text + "- " * ((WIDTH - len(text)) // 2)
    return f"{(line.mono_ns - origin_ns) / 1e9:>9.3f} s {bars}  {line.who:<{_WHO}}  {line.text}"


def _bar(fault: FaultWindow, line: Line) -> str:
    begun, healed = fault.from_ns, fault.healed_ns
    if line.fault == fault.fault:
        return "└" if line.mono_ns == healed else "┌"
    inside = begun is not None and begun <= line.mono_ns and (healed is None or line.mono_ns <= healed)
    return "│" if inside else " "
