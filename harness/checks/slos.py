"""Service levels: how well a service coped, with 95% intervals that assume nothing about the distribution.

Times count from the moment at which a message was due, whether or not it could leave (open loop). What was not done
by the end counts as taking as long as the whole run, so that the worst service does not show the best figures.
A bound is broken only when the whole interval is beyond it, and kept only when the whole interval is within.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checks.intervals import least_samples, quantile_rank, quantile_ranks, share_interval
from harness.checks.levels import LEVELS, Level
from harness.core.plan import SloPlan
from harness.core.results import Reason
from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from harness.history.ingest import History

Figures = dict[str, str | int | float]

MS = 1e6

# A temporary view stands before the one of the same name.
_PLATEAU = """
create temp view {name} as
select * from {database}.main.{name}
where due_ns >= (select started_ns from phases where phase = 'inject')
  and due_ns < (select started_ns from phases where phase = 'heal')
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was measured; a side without a bound is one that too few samples cannot bound."""

    samples: int
    value: float
    low: float | None
    high: float | None


def judge_slos(history: History, wanted: Sequence[SloPlan], *, plateau: bool = False) -> list[Figures]:
    """Measure every service level of which the history has samples, and judge those that are bounded.

    A time is given in milliseconds (``value_ms``, ``low_ms``, ``high_ms``), anything else as a plain number. A bound
    without a single sample is inconclusive. With ``plateau`` messages count that were due between inject and heal.
    """
    if plateau:
        [(database,)] = history.rows("select current_database()")
        for name in ("operations", "addressed"):
            history.db.execute(_PLATEAU.format(name=name, database=database))
    try:
        return _judged(history, wanted)
    finally:
        if plateau:
            for name in ("operations", "addressed"):
                history.db.execute(f"drop view temp.{name}")


def _judged(history: History, wanted: Sequence[SloPlan]) -> list[Figures]:
    bounds = {plan.id: plan for plan in wanted}
    found = []
    for level in LEVELS:
        estimate, plan = _measure(history, level), bounds.get(level.id)
        if estimate is not None or plan is not None:
            found.append(_figures(level, estimate, plan))
    return found


def slo_reasons(slos: Iterable[Figures]) -> list[Reason]:
    """Return what keeps a run from passing: bounds that are broken, and bounds of which nobody can tell."""
    return [
        Reason(code="slo", text=f"{slo['id']}: {slo['note']}", verdict=Verdict(str(slo["verdict"])))
        for slo in slos
        if slo.get("verdict") in {Verdict.FAIL, Verdict.INCONCLUSIVE}
    ]


def _measure(history: History, level: Level) -> Estimate | None:
    if level.kind == "figure":
        value, samples = history.rows(level.sql)[0]
        return Estimate(samples, float(value), float(value), float(value)) if samples else None
    if level.kind == "share":
        good, samples = history.rows(f"select count(*) filter (sample), count(*) from ({level.sql})")[0]  # noqa: S608 - ours
        return Estimate(samples, good / samples, *share_interval(good, samples)) if samples else None
    samples = history.number(f"select count(*) from ({level.sql})")  # noqa: S608 - ours
    if not samples:
        return None
    return _longest(history, level, samples) if level.kind == "time" else _quantile(history, level, samples)


def _longest(history: History, level: Level, samples: int) -> Estimate:
    """The time of the whole run, which is no sample of anything: it has no interval."""
    value = history.number(f"select max(sample) from ({level.sql})")  # noqa: S608 - ours
    return Estimate(samples, value, value, value)


def _quantile(history: History, level: Level, samples: int) -> Estimate:
    low, high = quantile_ranks(level.quantile, samples)
    rank = quantile_rank(level.quantile, samples)
    ranked = dict(
        history.rows(
            "select place, sample from (select sample, row_number() over (order by sample) as place"  # noqa: S608 - ours
            f" from ({level.sql})) where list_contains(?::bigint[], place)",
            [[one for one in (low, rank, high) if one is not None]],
        )
    )
    return Estimate(samples, ranked[rank], None if low is None else ranked[low], None if high is None else ranked[high])


def _figures(level: Level, estimate: Estimate | None, plan: SloPlan | None) -> Figures:
    figures: Figures = {"id": level.id, "samples": 0 if estimate is None else estimate.samples}
    if estimate is not None:
        sides = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        figures |= {_name(level, name): _shown(level, side) for name, side in sides.items() if side is not None}
    if plan is not None:
        verdict = _verdict(level, estimate, plan)
        figures |= {"verdict": str(verdict), _name(level, "bound"): _shown(level, _bound(level, plan))}
        figures["note"] = _note(level, estimate, plan)
    return figures


def _verdict(level: Level, estimate: Estimate | None, plan: SloPlan) -> Verdict:
    if estimate is None or estimate.samples < (plan.samples or 1):
        return Verdict.INCONCLUSIVE
    bound = _bound(level, plan)
    low = -math.inf if estimate.low is None else estimate.low
    high = math.inf if estimate.high is None else estimate.high
    if level.kind == "share" and bound in {0.0, 1.0}:
        low = high = estimate.value  # all or none: that is no statement about others than those that were counted
    within, beyond = (high <= bound, low > bound) if level.side == "max" else (low >= bound, high < bound)
    return Verdict.PASS if within else Verdict.FAIL if beyond else Verdict.INCONCLUSIVE


def _note(level: Level, estimate: Estimate | None, plan: SloPlan) -> str:
    wanted = f"at {'most' if level.side == 'max' else 'least'} {_words(level, _bound(level, plan))} was asked for"
    if estimate is None:
        return f"there was nothing to measure; {wanted}"
    few = _too_few(level, estimate, plan)
    sides = [_words(level, side) if side is not None else "nobody knows" for side in (estimate.low, estimate.high)]
    span = f", 95% between {sides[0]} and {sides[1]}" if sides[0] != sides[1] else ""
    return f"{few}{_words(level, estimate.value)}{span} over {estimate.samples} samples; {wanted}"


def _too_few(level: Level, estimate: Estimate, plan: SloPlan) -> str:
    """Name the number of samples without which nothing can be concluded."""
    needed = plan.samples or _needed(level, plan)
    if estimate.samples >= needed or _verdict(level, estimate, plan) is not Verdict.INCONCLUSIVE:
        return ""
    return f"too few samples ({estimate.samples} of at least {needed}): "


def _needed(level: Level, plan: SloPlan) -> int:
    """How many samples it takes if all of them are good."""
    if level.kind == "quantile":
        return least_samples(level.quantile)
    good = plan.bound if level.side == "min" else 1 - plan.bound
    return least_samples(good) if level.kind == "share" and 0 < good < 1 else 1


def _bound(level: Level, plan: SloPlan) -> float:
    return plan.bound * 1e9 if level.timed else plan.bound


def _name(level: Level, name: str) -> str:
    return f"{name}_ms" if level.timed else name


def _shown(level: Level, value: float) -> float:
    return round(value / MS, 3) if level.timed else round(value, 6)


def _words(level: Level, value: float) -> str:
    if level.timed:
        return f"{value / MS:.0f} ms" if value < 1e9 else f"{value / 1e9:.2f} s"  # noqa: PLR2004 - a second
    return f"{value:.2f}" if level.kind == "figure" else f"{value:.1%}"
