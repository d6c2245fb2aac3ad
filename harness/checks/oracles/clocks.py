"""Twins of the checks on clocks: the service's own, and those of clients."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from harness.checks.oracles.facts import Facts, Judged, Key, Terms
from harness.checks.oracles.sends import Send

WRONG_NS = 1_000_000_000
TOLD = frozenset({"server_accepted", "recipient_online_delivered", "recipient_synced", "oracle_read"})


@dataclass(slots=True)
class Dated:
    """One message with its place and the times that the service gave it."""

    message_id: str
    seqs: list[int]
    times: list[int]


def server_time(facts: Facts, _: Terms) -> Judged:
    """The service's time never steps back in a conversation."""
    found: dict[str, dict[str, Dated]] = defaultdict(dict)
    for event in facts.events:
        told = event.event in TOLD and event.conversation_id and event.message_id
        if told and event.conversation_seq is not None and event.server_time_ns is not None:
            name = event.message_id or ""
            dated = found[event.conversation_id or ""].setdefault(name, Dated(name, [], []))
            dated.seqs.append(event.conversation_seq)
            dated.times.append(event.server_time_ns)
    exercised, keys = 0, set[Key]()
    for conversation in found.values():
        for own in conversation.values():
            earlier = [one for one in conversation.values() if min(one.seqs) < min(own.seqs)]
            exercised += bool(earlier)
            before = max(earlier, key=lambda one: (min(one.times), one.message_id), default=None)
            if before and max(own.times) < min(before.times) and not _misplaced(facts, own, before):
                keys.add(("stepped_back", facts.names.get(own.message_id, ""), own.message_id, ""))
    return Judged(exercised=exercised, keys=frozenset(keys))


def _misplaced(facts: Facts, own: Dated, before: Dated) -> bool:
    """It was acknowledged before the other one began: its place is wrong, not its time."""
    mine = facts.by_client_id.get(facts.names.get(own.message_id, ""))
    other = facts.by_client_id.get(facts.names.get(before.message_id, ""))
    if mine is None or other is None or mine.accepted_ns is None:
        return False
    return mine.accepted_ns < other.started_ns


def client_clock(facts: Facts, terms: Terms) -> Judged:
    """Clocks of clients never decide on the order."""
    places: dict[str, dict[str, int]] = defaultdict(dict)
    for event in facts.readings:
        if event.conversation_seq is not None:
            known = places[facts.message(event) or ""]
            name = event.message_id or ""
            known[name] = min(known.get(name, event.conversation_seq), event.conversation_seq)
    placed = [
        send
        for send in facts.sends.values()
        if send.client_message_id in places and send.started.client_time_ns is not None and send.started.conversation_id
    ]
    exercised, keys = 0, set[Key]()
    for late in placed:
        contradicting = [early for early in placed if _contradicts(terms, early, late)]
        exercised += bool(contradicting)
        last = max(places[late.client_message_id].values())
        if any(min(places[early.client_message_id].values()) > last for early in contradicting):
            keys.add(("by_client_clock", late.client_message_id, late.message_id or "", ""))
    return Judged(exercised=exercised, keys=frozenset(keys))


def _contradicts(terms: Terms, early: Send, late: Send) -> bool:
    """Acknowledged before the other began, yet with a later time by its client; one of the clocks is wrong."""
    if not any(abs(one.clock_off_ns or 0) > WRONG_NS for one in (early, late)):
        return False
    same = early.started.conversation_id == late.started.conversation_id
    same = same and (terms.order != "sender" or early.started.device == late.started.device)
    before = early.accepted_ns is not None and early.accepted_ns < late.started_ns
    return same and before and (early.started.client_time_ns or 0) > (late.started.client_time_ns or 0)
