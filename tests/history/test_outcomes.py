"""Every message ends in one outcome, whatever was seen of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.events import Event
from harness.history.outcomes import TABLE, outcome


def seen(event: str, **facts: Any) -> Event:
    """One event about alice's message."""
    return Event(v=1, run="r", writer="w", seq=0, mono_ns=0, wall_ns=0, event=event, observer="client", **facts)


SENT = seen("client_send_started", sender="alice", device="alice/phone")
ACCEPTED = seen("server_accepted", sender="alice", device="alice/phone", outcome="ok")
REFUSED = seen("client_send_failed", outcome="fail", http_status=403, detail={"final": True})
GIVEN_UP = seen("client_send_failed", outcome="fail", error_code="given_up", detail={"final": True})
BOUNCED = seen("client_send_failed", outcome="fail", error_code="service_unavailable", detail={"bounced": True})
LIVE = seen("recipient_online_delivered", sender="alice", device="bob/phone", via="live")
OFFLINE = seen("recipient_online_delivered", sender="alice", device="bob/phone", via="offline")
SYNCED = seen("recipient_synced", sender="alice", device="bob/phone", via="archive")
CARBON = seen("recipient_online_delivered", sender="alice", device="bob/laptop", via="carbon")
OWN_CARBON = seen("recipient_online_delivered", sender="alice", device="alice/laptop", via="carbon")
KEPT = seen("oracle_read", sender="alice", recipient="bob", via="archive")
OWN_ARCHIVE = seen("oracle_read", sender="alice", recipient="alice", via="archive")


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([SENT], "unacknowledged"),
        ([SENT, GIVEN_UP], "unacknowledged"),
        ([SENT, ACCEPTED], "silently lost"),
        ([SENT, ACCEPTED, OWN_CARBON, OWN_ARCHIVE], "silently lost"),
        ([SENT, ACCEPTED, LIVE, SYNCED, KEPT], "delivered (live, archive)"),
        ([SENT, ACCEPTED, CARBON], "delivered (carbon)"),
        ([SENT, ACCEPTED, OFFLINE], "delivered (offline)"),
        ([SENT, ACCEPTED, KEPT], "delivered (archive)"),
        ([SENT, LIVE], "delivered (live)"),
        ([SENT, REFUSED], "bounced"),
        ([SENT, ACCEPTED, BOUNCED, OWN_ARCHIVE], "bounced"),
        ([SENT, ACCEPTED, BOUNCED, SYNCED], "bounced yet delivered (archive)"),
    ],
)
def test_the_outcome_follows_from_what_was_seen(events: list[Event], text: str) -> None:
    """What the sender's own devices and archive have proves no delivery; a bounce outweighs an acknowledgement."""
    assert str(outcome(events)) == text


def test_the_table_leaves_nothing_open() -> None:
    """Each combination of what can be seen has its word."""
    assert len(TABLE) == 8
