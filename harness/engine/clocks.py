"""Whether the clocks of several machines were known well enough to say what came before what."""

from __future__ import annotations

from harness.core.results import Reason
from harness.core.verdicts import Verdict
from harness.history.ingest import History

CODE = "clocks_apart"
NS_PER_MS = 1_000_000
LIMIT_MS = 20.0
"""Of people on another machine, times are compared with the beginning and end of faults here, and with the seconds of
``deliver_within``, which are many times as long. (Pairs and small groups are on one machine, with one clock.)"""

SQL = """
SELECT detail->>'machine', max(CAST(detail->>'error_ns' AS BIGINT)) FROM events
WHERE event = 'clock_measured' GROUP BY ALL ORDER BY ALL
"""


def clock_reasons(history: History) -> list[Reason]:
    """Return why a run of several machines proves nothing: a comparison inside the error is undecided."""
    return [
        Reason(code=CODE, text=_text(machine, error_ns / NS_PER_MS), verdict=Verdict.INCONCLUSIVE)
        for machine, error_ns in history.rows(SQL)
        if error_ns > LIMIT_MS * NS_PER_MS
    ]


def _text(machine: str, error_ms: float) -> str:
    return (
        f"the clock of {machine} was known to {error_ms:.1f} ms only, {LIMIT_MS:g} ms is allowed: what happened there "
        "cannot be set against the faults; have its master nearer, or a quieter network"
    )
