"""Twins of the checks on who sees a message, and on who is said to have got it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.oracles.facts import Facts, Judged, Terms, person_of
from harness.checks.oracles.sends import Send
from harness.core.events import Event


def audience(facts: Facts, _: Terms) -> Judged:
    """Nobody outside a message's audience gets to see it."""
    accepted = [send for send in facts.sends.values() if send.accepted_ns is not None and facts.circle(send).closed]
    keys = {
        (kind, client_id or "", message_id or "", device)
        for message, client_id, message_id, device, person in _sightings(facts)
        for send in facts.sends.values()
        if send.client_message_id == message and (kind := _intruder(facts, send, person))
    }
    return Judged(exercised=sum(_outsiders_listening(facts, send) for send in accepted), keys=frozenset(keys))


def _sightings(facts: Facts) -> Iterator[tuple[str | None, str | None, str | None, str, str | None]]:
    """Message, client's id, server's id, device and person of everything that somebody saw."""
    for event in facts.deliveries:
        device = event.device or ""
        yield facts.message(event), facts.client_id(event), event.message_id, device, person_of(device)
    for event in facts.readings:
        yield facts.message(event), facts.client_id(event), event.message_id, "", event.recipient
    for request in facts.requests:
        name = facts.names.get(request.message_id)
        person = person_of(request.device) if request.device else None
        yield name or request.message_id, name, request.message_id, request.device or "", person


def _intruder(facts: Facts, send: Send, person: str | None) -> str:
    """Why this person should not see it; empty if they may."""
    circle = facts.circle(send)
    if person is None or not circle.closed or circle.standing.get(person, "never") != "never":
        return ""
    if person not in circle.standing:
        return "outsider"
    return "not_member" if circle.members[person] == "never" else "blocked"


def _outsiders_listening(facts: Facts, send: Send) -> int:
    moment = send.accepted_ns or 0
    return sum(
        link.opened_ns <= moment < link.lost_ns and bool(_intruder(facts, send, person_of(link.device)))
        for link in facts.connections()
    )


def sent_not_delivered(facts: Facts, _: Terms) -> Judged:
    """What was only sent is not shown as delivered."""
    claims = [
        event for event in facts.witnessed if event.event == "delivery_receipt_received" and _judged(facts, event)
    ]
    keys = {
        ("claimed" if _claimed(event) else "false_delivery", client_id, message_id, event.device or "")
        for event in claims
        if not _true(facts, event)
        for client_id, message_id in [_ids(facts, event, claims)]
    }
    return Judged(exercised=len(claims), keys=frozenset(keys))


def _judged(facts: Facts, event: Event) -> bool:
    name = facts.message(event)
    if name is None or not (event.sender or _claimed(event)):
        return False
    send = facts.by_client_id.get(name)
    author = send.started.sender if send else None
    return event.sender != author


def _claimed(event: Event) -> bool:
    return (event.detail or {}).get("claimed") is True


def _true(facts: Facts, event: Event) -> bool:
    send = facts.by_client_id.get(facts.message(event) or "")
    author = send.started.sender if send else None
    return any(
        facts.message(one) == facts.message(event)
        and one.mono_ns <= event.mono_ns
        and (person_of(one.device or "") == event.sender if event.sender else person_of(one.device or "") != author)
        for one in facts.deliveries
    )


def _ids(facts: Facts, event: Event, claims: list[Event]) -> tuple[str, str]:
    """The message's ids, as the false claims of this person for it on this device give them together."""
    alike = [
        one.message_id or ""
        for one in claims
        if (facts.message(one), one.device, one.sender, _claimed(one))
        == (facts.message(event), event.device, event.sender, _claimed(event))
        and not _true(facts, one)
    ]
    send = facts.by_client_id.get(facts.message(event) or "")
    named = [one for one in alike if one]
    return send.client_message_id if send else "", min(named, default="")
