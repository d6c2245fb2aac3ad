"""Plain-Python twins of the SQL checks, for small histories: the definition in a second language.

Tests hold the two against each other over generated histories; a check that is wrong must be wrong twice to pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.checks.oracles.clocks import client_clock, server_time
from harness.checks.oracles.copies import no_duplicates, order
from harness.checks.oracles.credentials import refresh_discipline, token_validity
from harness.checks.oracles.devices import to_device
from harness.checks.oracles.eyes import audience, sent_not_delivered
from harness.checks.oracles.facts import Facts, Judged, Key, Terms
from harness.checks.oracles.holding import client_holds, client_order
from harness.checks.oracles.limits import limits_honoured
from harness.checks.oracles.loss import acked_never_lost, nothing_unsent, refused_never_stored
from harness.checks.oracles.notifying import push_isolated, push_notified, push_token_dropped
from harness.checks.oracles.recovery import recovered
from harness.checks.oracles.retrying import retry_policy
from harness.checks.oracles.states import transitions
from harness.core.events import Event

__all__ = ["TWINS", "Facts", "Judged", "Key", "Terms", "judge"]

TWINS: Mapping[str, Callable[[Facts, Terms], Judged]] = {
    "acked_never_lost": acked_never_lost,
    "audience": audience,
    "client_clock": client_clock,
    "client_holds": client_holds,
    "client_order": client_order,
    "limits_honoured": limits_honoured,
    "no_duplicates": no_duplicates,
    "nothing_unsent": nothing_unsent,
    "order": order,
    "push_isolated": push_isolated,
    "push_notified": push_notified,
    "push_token_dropped": push_token_dropped,
    "recovered": recovered,
    "refresh_discipline": refresh_discipline,
    "refused_never_stored": refused_never_stored,
    "retry_policy": retry_policy,
    "sent_not_delivered": sent_not_delivered,
    "server_time": server_time,
    "to_device": to_device,
    "token_validity": token_validity,
    "transitions": transitions,
}


def judge(check: str, events: Sequence[Event], terms: Terms) -> Judged:
    """Judge some events by the twin of one check."""
    return TWINS[check](Facts(events), terms)
