"""Twins of the checks on what a client program is good for."""

from __future__ import annotations

from harness.checks.oracles.facts import Facts, Judged, Terms
from harness.checks.oracles.sends import Send


def client_holds(facts: Facts, terms: Terms) -> Judged:
    """The client under test stays up, and forgets nothing that its user wrote."""
    if terms.client != "none":
        return Judged(exercised=0)
    forgotten = {
        ("forgotten", event.client_message_id or event.op or "", "", event.device or "")
        for event in facts.witnessed
        if event.event == "client_send_failed" and event.error_code == "forgotten"
    }
    broken = {
        (event.error_code or "", "", "", event.device or "")
        for event in facts.witnessed
        if event.event == "client_broken"
    }
    return Judged(exercised=len({send.origin for send in facts.sends.values()}), keys=frozenset(forgotten | broken))


def client_order(facts: Facts, terms: Terms) -> Judged:
    """The client under test sends in the order in which its user wrote."""
    if terms.client != "none":
        return Judged(exercised=0)
    places = _places(facts)
    known = [send for send in facts.sends.values() if send.client_message_id in places and _told(send)]
    keys = {
        ("overtaken", late.client_message_id, late.message_id or "", late.started.device or "")
        for late in known
        for early in known
        if _same(late, early)
        and (early.started.intended_ns or 0) > (late.started.intended_ns or 0)
        and places[early.client_message_id] < places[late.client_message_id]
        and (late.accepted_ns is None or late.accepted_ns > early.started_ns)
    }
    return Judged(exercised=len(known), keys=frozenset(keys))


def _places(facts: Facts) -> dict[str, int]:
    places: dict[str, int] = {}
    for event in facts.readings:
        name = facts.message(event)
        if name is not None and event.conversation_seq is not None:
            places[name] = min(event.conversation_seq, places.get(name, event.conversation_seq))
    return places


def _told(send: Send) -> bool:
    started = send.started
    complete = None not in {started.intended_ns, started.device, started.conversation_id}
    return complete and not send.renamed


def _same(one: Send, other: Send) -> bool:
    where = (one.started.device, one.started.conversation_id)
    return where == (other.started.device, other.started.conversation_id)
