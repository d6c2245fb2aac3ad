"""Whether the people of a crowd wrote when they were due: figures of a starved generator say nothing of the service."""

from __future__ import annotations

from harness.core.plan import LoadPlan
from harness.core.results import LoadResult, Reason
from harness.core.verdicts import Verdict
from harness.history.ingest import History
from harness.swarm.histogram import Histogram

CODE = "generator_lag"
NS_PER_S = 1_000_000_000
AFTER_HEALING_S = 2.0
"""When a crowd comes back all at once, the generator has its hands full like everybody else."""

LAGS_SQL = """
SELECT mono_ns, detail->>'lags' FROM events
WHERE event = 'generator_lag' AND observer = 'client' AND detail->>'lags' IS NOT NULL
"""
HEALED_SQL = "SELECT mono_ns FROM events WHERE event = 'fault_healed'"
WRITING_SQL = """
SELECT min(mono_ns), max(mono_ns), count(*), count(DISTINCT device) FROM events
WHERE event = 'client_send_started' AND attempt = 1
"""


def judge_load(history: History, load: LoadPlan | None) -> LoadResult | None:
    """Return how a crowd kept to its timetable; None for a run without one."""
    if load is None:
        return None
    healed = [moment for (moment,) in history.rows(HEALED_SQL)]
    seconds = history.rows(LAGS_SQL)
    counted = [text for moment, text in seconds if not any(_is_after(moment, heal) for heal in healed)]
    lags = Histogram.read(counted)
    first_ns, last_ns, sent, senders = history.rows(WRITING_SQL)[0]
    writing_s = ((last_ns or 0) - (first_ns or 0)) / NS_PER_S
    return LoadResult(
        people=load.people,
        senders=senders,
        rate_per_s=load.rate_per_s,
        sent_per_s=round(sent / writing_s, 1) if writing_s else 0.0,
        lag_p50_ms=lags.percentile(0.5),
        lag_p99_ms=lags.percentile(0.99),
        lag_max_ms=lags.percentile(1.0),
        lag_limit_ms=round(load.max_lag_p99_s * 1000),
    )


def writing_span(history: History) -> tuple[int, int]:
    """Return when people first and last wrote (monotonic); 0 for both when nobody ever did."""
    first_ns, last_ns, _, _ = history.rows(WRITING_SQL)[0]
    return first_ns or 0, last_ns or 0


def lag_reasons(found: LoadResult | None) -> list[Reason]:
    """Return why a run proves nothing when messages left too late."""
    if found is None or found.lag_p99_ms <= found.lag_limit_ms:
        return []
    text = (
        f"the machine of the people was too slow: 1 of 100 messages left {found.lag_p99_ms} ms or more after it was "
        f"due, {found.lag_limit_ms} ms is allowed; have fewer people, a lower rate or more cores"
    )
    return [Reason(code=CODE, text=text, verdict=Verdict.INCONCLUSIVE)]


def _is_after(moment_ns: int, healed_ns: int) -> bool:
    """An event tells of the second before it, so one that came a second later still overlaps."""
    return healed_ns <= moment_ns <= healed_ns + (AFTER_HEALING_S + 1.0) * NS_PER_S
