"""The service levels that are measured, each with its point of measurement, as SQL over a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Level:
    """One service level: what is measured, from where to where, and on which side of a bound it should be.

    ``sql`` answers one row per sample: nanoseconds for a quantile or a time, whether it is one of those counted for a
    share. A figure answers one row: a number, and of how many samples it is made.
    """

    id: str
    title: str
    side: Literal["max", "min"]
    kind: Literal["quantile", "share", "figure", "time"]
    sql: str
    quantile: float = 0.0

    @property
    def timed(self) -> bool:
        """Whether it is a time in nanoseconds, not a plain number."""
        return self.kind in {"quantile", "time"}


_SENT = """
select o.accepted_ns is not null as sample from operations as o, run_times as t where o.due_ns < t.final_ns
"""

_ACCEPTANCE = """
select coalesce(o.accepted_ns - o.due_ns, t.final_ns - t.origin_ns) as sample
from operations as o, run_times as t
where not o.refused and o.due_ns < t.final_ns
"""

_DELIVERY = """
select coalesce(a.first_ns - a.due_ns, t.final_ns - t.origin_ns) as sample
from addressed as a, run_times as t
where a.online and a.accepted_ns < t.final_ns
"""

_SYNC = """
select a.first_ns is not null as sample
from addressed as a, run_times as t
where not a.online and a.accepted_ns < t.final_ns
"""

_DUPLICATION = """
with known as (
    select coalesce(client_message_id, op) as name, message_id from witnessed where event = 'server_accepted'
    union all
    select client_message_id, message_id from readings
)
select count(distinct k.message_id) > 1 as sample
from sends as s join known as k on k.name = s.client_message_id
where k.message_id is not null
group by s.origin
"""

_CONNECTION = """
select event = 'connection_opened' as sample from witnessed
where event = 'connection_opened' or (event = 'connection_lost' and connection is null)
"""

_RECOVERY = """
select coalesce(o.accepted_ns, t.final_ns) - w.healed_ns as sample
from operations as o, run_times as t, (select max(healed_ns) as healed_ns from fault_windows) as w
where o.due_ns <= w.healed_ns and not o.refused and (o.accepted_ns is null or o.accepted_ns > w.healed_ns)
"""

_ATTEMPTS = """
with delivered as (
    select distinct s.origin from sends as s
    join receipts as r on r.message = s.client_message_id and r.person is distinct from s.sender
)
select (select count(*) from attempts) / nullif(count(*), 0) as sample, count(*) as samples from delivered
"""

LEVELS: tuple[Level, ...] = (
    Level(
        id="send_success",
        title="operations that were accepted by the end, of all that were begun",
        side="min",
        kind="share",
        sql=_SENT,
    ),
    Level(
        id="acceptance_p50",
        title="median from the moment a message was due to its acknowledgement at the client",
        side="max",
        kind="quantile",
        sql=_ACCEPTANCE,
        quantile=0.5,
    ),
    Level(
        id="acceptance_p95",
        title="95th percentile of the same",
        side="max",
        kind="quantile",
        sql=_ACCEPTANCE,
        quantile=0.95,
    ),
    Level(
        id="online_delivery_p50",
        title="median from the moment a message was due to its arrival on each device that was connected at acceptance",
        side="max",
        kind="quantile",
        sql=_DELIVERY,
        quantile=0.5,
    ),
    Level(
        id="online_delivery_p95",
        title="95th percentile of the same",
        side="max",
        kind="quantile",
        sql=_DELIVERY,
        quantile=0.95,
    ),
    Level(
        id="offline_sync_success",
        title="messages that a device had in the end, of those accepted while it was not connected",
        side="min",
        kind="share",
        sql=_SYNC,
    ),
    Level(
        id="push_registration",
        title="push tokens that the service took, of all that devices registered",
        side="min",
        kind="share",
        sql="select coalesce(outcome, 'ok') = 'ok' as sample from witnessed where event = 'push_token_registered'",
    ),
    Level(
        id="push_rejection",
        title="requests that the push provider did not take, of all that it got",
        side="max",
        kind="share",
        sql="select not taken as sample from pushes",
    ),
    Level(
        id="duplication",
        title="operations of which more than one message is stored or acknowledged, of all with any",
        side="max",
        kind="share",
        sql=_DUPLICATION,
    ),
    Level(
        id="connection_success",
        title="connections that came to be, of all that devices tried to make",
        side="min",
        kind="share",
        sql=_CONNECTION,
    ),
    Level(
        id="time_to_recover",
        title="from the last healing until everything was accepted that was waiting then",
        side="max",
        kind="time",
        sql=_RECOVERY,
    ),
    Level(
        id="attempts_per_delivered",
        title="attempts to send, for each operation of which somebody else's device got a message",
        side="max",
        kind="figure",
        sql=_ATTEMPTS,
    ),
)
