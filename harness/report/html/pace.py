"""A run under load second by second: how long messages took, and what the parts of the run used meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.results import FaultResult
from harness.engine.consumption import SIDES, Sample, read_samples
from harness.engine.lag import writing_span

if TYPE_CHECKING:
    from harness.history.ingest import History

MOST_POINTS = 240
NS_PER_S = 1_000_000_000
MB = 1_000_000

Point = tuple[int, float]
"""A moment (monotonic, nanoseconds) and what was measured then."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure over time."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """What is drawn from ``from_ns`` to ``to_ns``: latencies in nanoseconds, then what was used, by part."""

    origin_ns: int
    from_ns: int
    to_ns: int
    latency: tuple[Line, ...]
    cpu: tuple[Line, ...]
    memory: tuple[Line, ...]
    files: tuple[Line, ...]
    faults: tuple[FaultResult, ...]


def pace_of(history: History, folder: Path, faults: Sequence[FaultResult]) -> Pace | None:
    """Gather the curves; None when nobody wrote for long enough to make one."""
    from_ns, last_ns = writing_span(history)
    if last_ns - from_ns < NS_PER_S:
        return None
    to_ns = last_ns + NS_PER_S
    step_ns = NS_PER_S * max(1, -(-(to_ns - from_ns) // (NS_PER_S * MOST_POINTS)))
    samples = [one for one in read_samples(folder) if from_ns <= one.mono_ns <= to_ns]
    own = [one for one in samples if one.of != "all"]
    return Pace(
        origin_ns=history.number("select origin_ns from run_times"),
        from_ns=from_ns,
        to_ns=to_ns,
        latency=(
            *_times(history, "accepted", ACCEPTED, from_ns, step_ns),
            *_times(history, "delivered", DELIVERED, from_ns, step_ns),
        ),
        cpu=_used(samples, lambda one: one.cpu, from_ns, step_ns),
        memory=_used(own, lambda one: one.memory / MB, from_ns, step_ns),
        files=_used(own, lambda one: float(one.files), from_ns, step_ns),
        faults=tuple(faults),
    )


def _times(history: History, name: str, sql: str, from_ns: int, step_ns: int) -> Iterator[Line]:
    """Median and 95th percentile of what was due in each step; what never came has waited until the end."""
    rows = history.rows(_STEPS.format(sql=sql), [from_ns, step_ns])
    for column, share in ((1, "p50"), (2, "p95")):
        yield Line(f"{name} {share}", tuple((row[0], float(row[column])) for row in rows))


def _used(samples: Sequence[Sample], figure: Callable[[Sample], float], from_ns: int, step_ns: int) -> tuple[Line, ...]:
    """One line for each part, those of the stack first; of several samples in a step the largest is drawn."""
    found: dict[tuple[int, str], dict[int, float]] = {}
    for each in samples:
        place = _middle(each.mono_ns, from_ns, step_ns)
        points = found.setdefault((SIDES.index(each.of), each.part), {})
        points[place] = max(points.get(place, 0.0), figure(each))
    return tuple(Line(part, tuple(points.items())) for (_, part), points in sorted(found.items()))


def _middle(moment_ns: int, from_ns: int, step_ns: int) -> int:
    return from_ns + (moment_ns - from_ns) // step_ns * step_ns + step_ns // 2


ACCEPTED = """
select o.due_ns as at_ns, coalesce(o.accepted_ns, t.final_ns) - o.due_ns as took
from operations as o, run_times as t where not o.refused
"""
DELIVERED = """
select a.due_ns as at_ns, coalesce(a.first_ns, t.final_ns) - a.due_ns as took
from addressed as a, run_times as t where a.online
"""
_STEPS = """
select $1 + (at_ns - $1) // $2 * $2 + $2 // 2 as moment,
       quantile_disc(took, 0.5), quantile_disc(took, 0.95)
from ({sql}) where at_ns >= $1 group by moment order by moment
"""
