"""Which rate of messages a stack holds: the search for it, one measured step after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.results import Reason, RunResult
from harness.core.verdicts import Verdict

Outcome = Literal["held", "broke", "generator", "undecided", "error"]
Limit = Literal["service", "generator", "none", "error"]

GROWTH = 2.0
HALVINGS = 6
"""How often the rate is halved when not even the first one is held."""
DIGITS = 3
_LATE = "generator_lag"
_NOT_HELD = frozenset({"broke", "generator", "undecided", "error"})
_DEAD = "service_died"


@dataclass(frozen=True, slots=True)
class Trial:
    """One step: the rate at which people wrote, and what came of it, with the reason in a sentence."""

    rate_per_s: float
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """Where to begin (messages a second), how near the two ends must come, and after how many steps to stop.

    The ends are near enough when the upper is at most ``resolution`` (0.1: ten percent) above the lower; each is then
    tried until it was seen ``sure`` times.
    """

    start_per_s: float
    resolution: float = 0.1
    steps: int = 16
    sure: int = 2


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a search came to: the highest rate that was held below the lowest that was not, and what gave out there."""

    held_per_s: float | None
    broke_per_s: float | None
    limit: Limit
    text: str

    @property
    def found(self) -> bool:
        """Whether both ends are known, and it was the service that gave out."""
        return self.limit == "service" and self.held_per_s is not None


def next_rate(search: Search, trials: Sequence[Trial]) -> float | None:
    """Return the rate to try next; None when there is nothing more to learn.

    It doubles until a rate is not held, or halves until one is, then halves the gap (geometrically). What nobody could
    tell, what could not be played and a generator that was late are tried a second time before they count; so are the
    two ends.
    """
    if len(trials) >= search.steps or any(_settled(trials, rate) == "error" for rate in _rates(trials)):
        return None
    if not trials:
        return search.start_per_s
    open_ones = [rate for rate in _rates(trials) if _settled(trials, rate) is None]
    if open_ones:
        return open_ones[0]
    low, high = _ends(trials)
    if high is None:
        return _round(max(_rates(trials)) * GROWTH)
    return _lower(search, trials) if low is None else _between(search, trials, low, high)


def _lower(search: Search, trials: Sequence[Trial]) -> float | None:
    halved = sum(rate < search.start_per_s for rate in _rates(trials))
    return _round(min(_rates(trials)) / GROWTH) if halved < HALVINGS else None


def _between(search: Search, trials: Sequence[Trial], low: float, high: float) -> float | None:
    middle = _round(math.sqrt(low * high))
    if high > low * (1 + search.resolution) and low < middle < high:
        return middle
    unsure = [rate for rate in (low, high) if 0 < _seen(trials, rate) < search.sure]
    return unsure[0] if unsure else None


def capacity_of(search: Search, trials: Sequence[Trial]) -> Capacity:
    """Return what the steps so far say."""
    low, high = _ends(trials)
    unplayed = [trial for trial in trials if trial.outcome == "error"]
    if unplayed and _settled(trials, unplayed[-1].rate_per_s) in {"error", None}:
        error = unplayed[-1]
        return Capacity(low, high, "error", f"the step at {_shown(error.rate_per_s)} could not be played: {error.why}")
    limit = _limit(trials, high)
    if high is None:
        return Capacity(low, None, limit, f"nothing gave out: {_held(trials, low)}; begin higher, or allow more steps")
    told = [_held(trials, low)] if low is not None else ["no rate was held"]
    told.append(_gave_out(trials, high, limit))
    if low is not None and limit == "service" and high > low * (1 + search.resolution):
        told.append(f"there were not enough steps to come nearer than {high / low - 1:.0%}")
    return Capacity(low, high, limit, "; ".join(told))


def outcome_of(result: RunResult) -> Outcome:
    """Return what one step says: a service that dies or loses messages has broken, however late the generator was."""
    failed = [reason for reason in result.reasons if reason.verdict is Verdict.FAIL]
    if any(reason.code == "violated" for reason in failed) or any(one.code == _DEAD for one in result.reasons):
        return "broke"
    if any(reason.code == _LATE for reason in result.reasons):
        return "generator"
    if failed:
        return "broke"
    if result.verdict is Verdict.ERROR:
        return "error"
    return "held" if result.verdict is Verdict.PASS else "undecided"


def trial_of(rate_per_s: float, result: RunResult) -> Trial:
    """Return a step with the reason that weighs most in it."""
    outcome = outcome_of(result)
    reason = next((one for one in result.reasons if _explains(one, outcome)), None)
    return Trial(rate_per_s, outcome, "" if reason is None else _sentence(reason))


def _explains(reason: Reason, outcome: Outcome) -> bool:
    match outcome:
        case "held":
            return False
        case "generator":
            return reason.code == _LATE
        case "broke":
            return reason.verdict is Verdict.FAIL or reason.code == _DEAD
        case _:
            return True


def _sentence(reason: Reason) -> str:
    text = reason.text.partition("\n")[0]
    return f"{reason.check}: {text}" if reason.check else text


def _rates(trials: Sequence[Trial]) -> list[float]:
    return sorted({trial.rate_per_s for trial in trials})


def _outcomes(trials: Sequence[Trial], rate: float) -> list[Outcome]:
    return [trial.outcome for trial in trials if trial.rate_per_s == rate]


def _settled(trials: Sequence[Trial], rate: float) -> Outcome | None:
    """What the steps at one rate come to; None when another one is needed to tell."""
    outcomes = _outcomes(trials, rate)
    for certain in ("broke", "held"):
        if certain in outcomes:
            return certain
    if len(outcomes) == 1:
        return None
    return next(open_one for open_one in ("generator", "undecided", "error") if open_one in outcomes)


def _ends(trials: Sequence[Trial]) -> tuple[float | None, float | None]:
    """The highest rate that was held below the lowest that was not, and that one."""
    not_held = [rate for rate in _rates(trials) if _settled(trials, rate) in _NOT_HELD]
    high = not_held[0] if not_held else None
    held = [rate for rate in _rates(trials) if _settled(trials, rate) == "held" and (high is None or rate < high)]
    return (held[-1] if held else None), high


def _seen(trials: Sequence[Trial], rate: float) -> int:
    """How often a rate was seen to be held, or to break; what stayed open is not tried again and again."""
    outcomes = _outcomes(trials, rate)
    return len(outcomes) if {"held", "broke"} & set(outcomes) else 0


def _limit(trials: Sequence[Trial], high: float | None) -> Limit:
    settled = None if high is None else _settled(trials, high)
    return "service" if settled == "broke" else "generator" if settled == "generator" else "none"


def _held(trials: Sequence[Trial], rate: float | None) -> str:
    if rate is None:
        return "no rate was held"
    outcomes = _outcomes(trials, rate)
    return f"{_shown(rate)} held{_times(outcomes.count('held'), len(outcomes))}"


def _gave_out(trials: Sequence[Trial], rate: float, limit: Limit) -> str:
    outcomes = _outcomes(trials, rate)
    why = next(trial.why for trial in reversed(trials) if trial.rate_per_s == rate and trial.outcome != "held")
    match limit:
        case "service":
            return f"{_shown(rate)} broke{_times(outcomes.count('broke'), len(outcomes))}: {why}"
        case "generator":
            return f"at {_shown(rate)} it was the generator that gave out, not the service: {why}"
        case _:
            return f"at {_shown(rate)} nobody could tell: {why}"


def _times(count: int, runs: int) -> str:
    return f" ({count} of {runs} runs)" if runs > 1 else ""


def _shown(rate: float) -> str:
    return f"{rate:g}/s"


def _round(rate: float) -> float:
    """Three digits: nobody wants to know of 316.2278 messages a second."""
    return float(f"{rate:.{DIGITS}g}")
