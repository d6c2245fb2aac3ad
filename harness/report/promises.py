"""Promise and verdict side by side, in words."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.results import PromiseResult, RunResult
from harness.core.stack import PromiseValue
from harness.engine.promised import ALWAYS

_OWED = "by every stack"
_SECONDS = frozenset({"idempotency_window", "retention", "deliver_within"})


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """One promise as a person reads it; ``verdict`` is None where nothing could be judged."""

    name: str
    promised: str
    verdict: str | None
    judged_by: str


def promise_rows(result: RunResult) -> list[PromiseRow]:
    """Return a row for each promise: what was promised, what became of it, and which checks say so."""
    return [_row(one) for one in result.by_promise]


def _row(one: PromiseResult) -> PromiseRow:
    owed = one.promise == ALWAYS
    promised = _OWED if owed else _shown(one.promise, one.promised)
    verdict = one.verdict.value if one.verdict else None
    if one.promised is None and not owed:
        verdict = "not judged"
    return PromiseRow(one.promise.replace("_", " "), promised, verdict, ", ".join(one.checks))


def _shown(name: str, value: PromiseValue | None) -> str:
    if value is None:
        return "not promised"
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:g} s" if name in _SECONDS and not isinstance(value, str) else str(value).replace("_", " ")
