"""Watches: the nth event of a kind, of a person."""

from __future__ import annotations

from typing import Any

from harness.core.events import Event
from harness.swarm.watches import Watches


def fact(number: int, event: str = "client_send_started", **fields: Any) -> Event:
    """An event at that time."""
    return Event(v=1, run="r", writer="w", seq=0, mono_ns=number, wall_ns=0, event=event, observer="client", **fields)


def fired_by(facts: list[Event], *, of: str | None = None, nth: int = 1) -> list[tuple[str, int]]:
    """What a watch for sends fires."""
    fired: list[tuple[str, int]] = []
    watches = Watches(lambda watch, mono_ns: fired.append((watch, mono_ns)))
    watches.add("w", event="client_send_started", of=of, nth=nth)
    for each in facts:
        watches.see(each)
    return fired


def test_the_nth_fires_once_with_its_time() -> None:
    """Neither the earlier nor the later ones are the cue."""
    assert fired_by([fact(number) for number in range(1, 6)], nth=3) == [("w", 3)]


def test_other_events_do_not_count() -> None:
    """Only the named kind is counted."""
    assert fired_by([fact(1, "server_accepted"), fact(2)]) == [("w", 2)]


def test_a_person_is_the_sender_or_the_owner_of_the_device() -> None:
    """Both what alice sends and what happens on her devices are hers, and bob's is not."""
    facts = [fact(1, sender="bob", device="bob/phone"), fact(2, device="alice/phone"), fact(3, sender="alice")]
    assert fired_by(facts, of="alice", nth=2) == [("w", 3)]
