"""Twins of the checks on what is stored: nothing lost, nothing invented, nothing kept that was refused."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.oracles.facts import Facts, Judged, Key, Terms
from harness.checks.oracles.sends import Send
from harness.core.events import Event


def acked_never_lost(facts: Facts, terms: Terms) -> Judged:
    """What was acknowledged is stored, unaltered, and reaches every device of its audience."""
    readers, synced = facts.complete_readers(), facts.finally_synced()
    acked = [send for send in facts.sends.values() if send.accepted_ns is not None]
    acked = [send for send in acked if (send.accepted_ns or 0) <= facts.oracle_ns]
    keys: set[Key] = set()
    for send in acked:
        if _kept(facts, terms, send):
            keys |= _lost_or_missing(facts, terms, send, synced)
            keys |= _altered(facts, send)
    return Judged(
        exercised=sum(bool(facts.members(send) & readers) for send in acked),
        undecided=sum(bool(facts.members(send) - readers or facts.audience(send) - synced) for send in acked),
        keys=frozenset(keys),
    )


def _lost_or_missing(facts: Facts, terms: Terms, send: Send, synced: set[str]) -> set[Key]:
    if lost(facts, terms, send):
        return {("lost", send.client_message_id, send.message_id or "", "")}
    if not _found_by(facts, send) or (send.accepted_ns or 0) > facts.final_ns:
        return set()
    return {
        ("gap", send.client_message_id, send.message_id or "", device)
        for device in facts.audience(send) & synced
        if (send.client_message_id, device) not in facts.first_on
    }


def _found_by(facts: Facts, send: Send) -> set[str | None]:
    return {event.recipient for event in facts.readings if facts.message(event) == send.client_message_id}


def lost(facts: Facts, terms: Terms, send: Send) -> bool:
    """Whether a complete reading lacks an acknowledged message that was to be kept as long."""
    if send.accepted_ns is None or send.accepted_ns > facts.oracle_ns or not _kept(facts, terms, send):
        return False
    return bool((facts.members(send) & facts.complete_readers()) - _found_by(facts, send))


def _kept(facts: Facts, terms: Terms, send: Send) -> bool:
    return terms.retention_ns is None or (send.accepted_ns or 0) >= facts.oracle_ns - terms.retention_ns


def _altered(facts: Facts, send: Send) -> set[Key]:
    where: dict[str, set[str]] = {}
    sent = send.started.body_digest
    for event, device in _copies(facts):
        different = bool(sent and event.body_digest and event.body_digest != sent)
        if different and facts.message(event) == send.client_message_id:
            where.setdefault(device, set()).add(event.message_id or "")
    return {("altered", send.client_message_id, min(ids), device) for device, ids in where.items()}


def nothing_unsent(facts: Facts, _: Terms) -> Judged:
    """Nothing appears that nobody sent, or under another name."""
    copies = [(event, device) for event, device in _copies(facts) if facts.message(event)]
    keys = {
        (kind, facts.client_id(event) or "", event.message_id or "", device)
        for event, device in copies
        for kind in _inventions(facts, event)
    }
    return Judged(exercised=len({facts.message(event) for event, _ in copies}), keys=frozenset(keys))


def _inventions(facts: Facts, event: Event) -> Iterator[str]:
    send = facts.by_client_id.get(facts.message(event) or "")
    bodies = {(one.started.sender, one.started.body_digest) for one in facts.sends.values()}
    if send is None:
        unmatched = event.body_digest is not None and (event.sender, event.body_digest) not in bodies
        if facts.client_id(event) or unmatched:
            yield "unsent"
        return
    if event.sender and send.started.sender and event.sender != send.started.sender:
        yield "wrong_sender"
    if send.started.body_digest and event.body_digest and event.body_digest not in {body for _, body in bodies}:
        yield "unknown_body"


def refused_never_stored(facts: Facts, _: Terms) -> Judged:
    """What the service refused, it did not store."""
    readers = facts.complete_readers()
    refused = [send for send in facts.sends.values() if send.outcome == "fail"]
    stored: dict[str, str] = {}
    for event in facts.readings:
        name = facts.message(event) or ""
        known = [found for found in (stored.get(name), event.message_id) if found]
        stored[name] = min(known, default="")
    judged = [send for send in refused if send.client_message_id in stored or facts.members(send) & readers]
    return Judged(
        exercised=len(judged),
        undecided=len(refused) - len(judged),
        keys=frozenset(
            ("refused", send.client_message_id, stored[send.client_message_id], "")
            for send in judged
            if send.client_message_id in stored
        ),
    )


def _copies(facts: Facts) -> Iterator[tuple[Event, str]]:
    """Every copy with the device that has it, empty for the archive."""
    yield from ((event, event.device or "") for event in facts.deliveries)
    yield from ((event, "") for event in facts.readings)
