"""Twins of the checks on how often and in which order messages come."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

from harness.checks.oracles.facts import Facts, Judged, Key, Terms
from harness.checks.oracles.sends import Send
from harness.core.events import Event


def no_duplicates(facts: Facts, terms: Terms) -> Judged:
    """One send makes one message, and no device gets again what it has confirmed."""
    copies = Counter((facts.message(event), event.device) for event in facts.deliveries if facts.message(event))
    doubtful = {message for (message, _), number in copies.items() if number > 1}
    doubtful |= {send.client_message_id for send in facts.sends.values() if len(send.attempts) > 1}
    keys = {*_two_ids(facts, terms), *_twice_live(facts), *_after_confirmed(facts)}
    return Judged(exercised=len(doubtful), keys=frozenset(keys))


def _two_ids(facts: Facts, terms: Terms) -> Iterator[Key]:
    ids: dict[str, set[str]] = defaultdict(set)
    acks = [event for event in facts.witnessed if event.event == "server_accepted"]
    for event in (*acks, *facts.deliveries, *facts.readings):
        name = (event.client_message_id or event.op) if event.event == "server_accepted" else facts.client_id(event)
        if name and event.message_id:
            ids[name].add(event.message_id)
    for client_id, found in ids.items():
        if len(found) > 1 and _within_window(facts.by_client_id.get(client_id), terms):
            yield ("two_ids", client_id, min(found), "")


def _within_window(send: Send | None, terms: Terms) -> bool:
    if send is None or terms.idempotency_window_ns is None:
        return True
    return send.last_started_ns - send.started_ns <= terms.idempotency_window_ns


def _twice_live(facts: Facts) -> Iterator[Key]:
    seen: Counter[tuple[str, str | None, str, str, str]] = Counter()
    for event in facts.deliveries:
        if event.event == "recipient_online_delivered" and event.connection and event.message_id:
            name = (event.observer, facts.client_id(event), event.message_id, event.device or "", event.connection)
            seen[name] += 1
    for (_, client_id, message_id, device, _), number in seen.items():
        if number > 1:
            yield ("twice_live", client_id or "", message_id, device)


def _after_confirmed(facts: Facts) -> Iterator[Key]:
    given: dict[tuple[str, str, str], int] = {}
    for event in facts.witnessed:
        if event.event in {"recipient_synced", "sync_completed"} and event.device and event.cursor_to:
            given.setdefault((event.observer, event.device, event.cursor_to), event.mono_ns)
    pulled = [event for event in facts.deliveries if event.event == "recipient_synced"]
    for first, second in combinations(pulled, 2):
        same = (first.observer, first.device, first.message_id) == (second.observer, second.device, second.message_id)
        if not same or not first.message_id or first.mono_ns == second.mono_ns or _restarted(pulled, first, second):
            continue
        confirmed = given.get((first.observer, first.device or "", first.cursor_to or ""))
        asked = given.get((second.observer, second.device or "", second.cursor_from or ""))
        if confirmed is not None and asked is not None and asked >= confirmed:
            yield ("after_confirmed", facts.client_id(first) or "", first.message_id, first.device or "")


def _restarted(pulled: list[Event], first: Event, second: Event) -> bool:
    return any(
        (event.observer, event.device) == (first.observer, first.device)
        and event.cursor_from is None
        and first.mono_ns < event.mono_ns <= second.mono_ns
        and event.cursor_to != first.cursor_to
        for event in pulled
    )


def order(facts: Facts, terms: Terms) -> Judged:
    """What was acknowledged before comes before, in the archive and on every live connection."""
    places: dict[str, list[int]] = defaultdict(list)
    for event in facts.readings:
        if event.conversation_seq is not None:
            places[facts.message(event) or ""].append(event.conversation_seq)
    followers: set[str] = set()
    keys: set[Key] = {*_disagreements(facts), *_shared_places(facts)}
    for first, second in _bound_pairs(facts, terms):
        keys |= _live_break(facts, first, second)
        early, late = places.get(first.client_message_id), places.get(second.client_message_id)
        if early and late:
            followers.add(second.op)
            if min(early) > max(late):
                keys.add(("archive", second.client_message_id, second.message_id or "", ""))
    return Judged(exercised=len(followers), keys=frozenset(keys))


def _bound_pairs(facts: Facts, terms: Terms) -> Iterator[tuple[Send, Send]]:
    """Pairs of which the first was acknowledged before the second began."""
    for first in facts.sends.values():
        for second in facts.sends.values():
            same = first.started.conversation_id == second.started.conversation_id
            same = same and (terms.order == "conversation" or first.started.device == second.started.device)
            if same and first.accepted_ns is not None and first.accepted_ns < second.started_ns:
                yield first, second


def _live_break(facts: Facts, first: Send, second: Send) -> set[Key]:
    one, two = _arrivals(facts, first), _arrivals(facts, second)
    return {
        ("live", second.client_message_id, second.message_id or "", line[1])
        for line in one.keys() & two.keys()
        if one[line] > two[line]
    }


def _arrivals(facts: Facts, send: Send) -> dict[tuple[str, str, str], int]:
    found: dict[tuple[str, str, str], int] = {}
    for event in facts.deliveries:
        live = event.event == "recipient_online_delivered" and event.connection
        if live and facts.message(event) == send.client_message_id:
            found.setdefault((event.observer, event.device or "", event.connection or ""), event.mono_ns)
    return found


def _disagreements(facts: Facts) -> Iterator[Key]:
    acks = [event for event in facts.witnessed if event.event == "server_accepted"]
    seen: dict[str, set[int]] = defaultdict(set)
    for event in (*acks, *facts.deliveries, *facts.readings):
        if event.message_id and event.conversation_seq is not None:
            seen[event.message_id].add(event.conversation_seq)
    for message_id, places in seen.items():
        if len(places) > 1:
            yield ("disagree", facts.names.get(message_id, ""), message_id, "")


def _shared_places(facts: Facts) -> Iterator[Key]:
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for event in facts.readings:
        if event.message_id and event.conversation_id and event.conversation_seq is not None:
            name = (facts.message(event) or "", event.message_id)
            place = (event.conversation_id, event.conversation_seq)
            known = first.get(name, place)
            first[name] = (min(known[0], place[0]), min(known[1], place[1]))
    holders: dict[tuple[str, int], set[str]] = defaultdict(set)
    for (_, message_id), place in first.items():
        holders[place].add(message_id)
    for ids in holders.values():
        if len(ids) > 1:
            yield ("shared", "", max(ids), "")
