"""Whether exchanges over a link took longer while a fault held: the evidence that needs no word from the proxy."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.plan import FaultPlan
from harness.faults.registry import kinds
from harness.history.ingest import History

NOTICEABLE_S = 0.05
"""What an exchange must gain at least, so that the gain cannot be mistaken for a busy machine."""
SILENCE_S = 0.4
"""No answer for this long is silence: on a healthy link it comes within milliseconds."""

_NS = 1_000_000_000

WAITS_SQL = """
WITH on_the_link AS (
    SELECT DISTINCT device FROM witnessed WHERE event = 'connection_opened' AND list_contains($links, link)
),
exchanges AS (
    SELECT 'send' AS way,
           min(mono_ns) FILTER (event = 'client_send_started') AS asked_ns,
           min(mono_ns) FILTER (event <> 'client_send_started') AS answered_ns
    FROM witnessed
    WHERE event IN ('client_send_started', 'server_accepted', 'client_send_failed')
      AND list_contains($devices, device) AND (link IS NULL OR list_contains($links, link))
    GROUP BY device, op, attempt
    UNION ALL
    SELECT 'receive', accepted_ns, greatest(first_ns, accepted_ns)
    FROM addressed WHERE online AND list_contains($devices, device) AND device IN (FROM on_the_link)
    UNION ALL
    (
        SELECT 'refresh', mono_ns, lead(mono_ns) OVER (PARTITION BY device ORDER BY mono_ns)
        FROM witnessed
        WHERE event IN ('token_refresh_started', 'token_refreshed', 'token_refresh_failed')
          AND list_contains($devices, device) AND (link IS NULL OR list_contains($links, link))
        QUALIFY event = 'token_refresh_started'
    )
)
SELECT
    way,
    median(least(coalesce(answered_ns, $ended), $ended) - asked_ns)
        FILTER (asked_ns BETWEEN $began AND $ended - $gain) AS during,
    coalesce(median(answered_ns - asked_ns) FILTER (answered_ns < $began), 0) AS usual
FROM exchanges GROUP BY way
"""

RECEIVED_SHARE = 0.5
"""What is received crosses the link once, where a round trip crosses it twice."""


def noticeable(plan: FaultPlan) -> bool:
    """Tell whether a fault slows every exchange by so much that the people at its ends must notice."""
    slows = kinds()[plan.kind].slows
    return slows is not None and slows(plan) >= NOTICEABLE_S


def slowed(history: History, plan: FaultPlan, window: Mapping[str, int], traffic: Mapping[str, list[str]]) -> bool:
    """Tell whether exchanges that began in the window took longer than before by what the fault had to add.

    An exchange that had no answer when the window ended has waited until then. Half of the gain is enough, because
    what is usual varies too. ``window`` has ``began`` and ``ended``, ``traffic`` has ``devices`` and ``links``.
    """
    slows = kinds()[plan.kind].slows
    if slows is None or not noticeable(plan):
        return False
    gain_ns = round(min(slows(plan), SILENCE_S) * _NS)
    rows = history.db.execute(WAITS_SQL, {**window, **traffic, "gain": gain_ns}).fetchall()
    shares = {"receive": RECEIVED_SHARE}
    return any(
        during is not None and during - usual >= gain_ns / 2 * shares.get(way, 1.0) for way, during, usual in rows
    )
