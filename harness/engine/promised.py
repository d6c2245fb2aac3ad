"""What a stack promises beside what became of it: one line for each promise, whichever checks judge it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.catalogue import checks
from harness.core.results import CheckResult, PromiseResult
from harness.core.stack import Promises, promises_as_data
from harness.core.verdicts import Verdict, worst

ALWAYS = "always"
"""What no stack has to promise: that nothing leaks, that nothing appears which nobody sent."""


def by_promise(results: Sequence[CheckResult], promises: Promises) -> tuple[PromiseResult, ...]:
    """Return for each promise its worst verdict and the checks behind it, those that every stack owes last."""
    declared = promises_as_data(promises)
    judging: dict[str, list[CheckResult]] = {field: [] for field in Promises.__dataclass_fields__}
    judging[""] = []
    for result in results:
        field = checks()[result.id].promise.field if result.id in checks() else ""
        judging[field].append(result)
    return tuple(
        PromiseResult(
            promise=field.removesuffix("_s") or ALWAYS,
            promised=declared.get(field),
            verdict=_verdict(judged),
            checks=tuple(one.id for one in judged if one.verdict is not None),
        )
        for field, judged in judging.items()
    )


def _verdict(judged: Sequence[CheckResult]) -> Verdict | None:
    found = [one.verdict for one in judged if one.verdict is not None]
    return worst(found) if found else None
