"""Twin of the check on recovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.checks.oracles.facts import Facts, Judged, Key, Link, Terms
from harness.checks.oracles.loss import lost
from harness.checks.oracles.sends import Send


@dataclass(frozen=True, slots=True)
class _Pair:
    """One message that one device was owed, with the moments by which each of its connections had to bring it."""

    send: Send
    device: str
    since_ns: int
    first_ns: int | None
    due: tuple[int, ...]
    whole: tuple[int, ...]

    @property
    def late(self) -> bool:
        return bool(self.whole) and (self.first_ns is None or self.first_ns > min(self.whole))

    @property
    def judged(self) -> bool:
        return bool(self.whole) or (self.first_ns is not None and bool(self.due) and self.first_ns <= min(self.due))


def recovered(facts: Facts, terms: Terms) -> Judged:
    """Once the faults are gone, messages get through in time."""
    pairs = list(_pairs(facts, terms))
    stalls = facts.stalls()
    late = [pair for pair in pairs if pair.late]
    excused = [pair for pair in late if _held_up(stalls, pair.since_ns, min(pair.whole))]
    keys: set[Key] = {
        ("late", pair.send.client_message_id, pair.send.message_id or "", pair.device)
        for pair in late
        if pair not in excused
    }
    keys |= set(_not_accepted(facts, terms, stalls))
    return Judged(sum(pair.judged for pair in pairs), len(excused), frozenset(keys))


def _pairs(facts: Facts, terms: Terms) -> Iterator[_Pair]:
    links = facts.connections()
    for send in facts.sends.values():
        accepted = send.accepted_ns
        if accepted is None or accepted > facts.final_ns:
            continue
        gone = lost(facts, terms, send)
        for device in facts.audience(send):
            first = facts.first_on.get((send.client_message_id, device))
            if gone and first is None:
                continue
            if accepted >= facts.calm_ns or first is None or first > facts.calm_ns:
                since = max(accepted, facts.calm_ns)
                mine = [link for link in links if link.device == device and link.lost_ns > since]
                yield _pair(facts, terms, send, device, since, first, mine)


def _pair(
    facts: Facts, terms: Terms, send: Send, device: str, since: int, first: int | None, links: list[Link]
) -> _Pair:
    span = terms.deliver_within_ns or 0
    due = [(max(since, link.opened_ns) + span, link) for link in links]
    whole = [moment for moment, link in due if moment <= min(link.lost_ns, facts.final_ns)]
    return _Pair(send, device, since, first, tuple(moment for moment, _ in due), tuple(whole))


def _not_accepted(facts: Facts, terms: Terms, stalls: list[tuple[int, int]]) -> Iterator[Key]:
    for send in facts.sends.values():
        if not _owed(facts, send):
            continue
        back = [at for at, here in _presence(facts, send) if here and at <= facts.final_ns]
        base = max([send.started_ns, facts.calm_ns, *back])
        due = base + terms.recover_within_ns
        answered = any(at is not None and at <= due for at in (send.accepted_ns, send.given_up_ns))
        if due > facts.final_ns or answered or _away(facts, send, base, due) or _held_up(stalls, base, due):
            continue
        yield ("not_accepted", send.client_message_id, send.message_id or "", send.started.device or "")


def _owed(facts: Facts, send: Send) -> bool:
    """The client was still trying after the last fault was gone, and was not refused for good."""
    retries = [
        event.mono_ns
        for event in facts.witnessed
        if event.event == "client_retry_scheduled" and (event.op or event.client_message_id) == send.op
    ]
    if send.renamed:
        return False
    if retries and max(retries) > send.last_started_ns:
        return True
    return send.last_started_ns >= facts.calm_ns and send.outcome != "fail"


def _presence(facts: Facts, send: Send) -> list[tuple[int, bool]]:
    """When the sending device came (True) and left (False)."""
    return [
        (event.mono_ns, event.event == "person_online")
        for event in facts.witnessed
        if event.event in {"person_online", "person_offline"} and event.device == send.started.device
    ]


def _away(facts: Facts, send: Send, base: int, due: int) -> bool:
    seen = _presence(facts, send)
    return any(
        not here and at <= due and not any(back and at < when <= base for when, back in seen) for at, here in seen
    )


def _held_up(stalls: list[tuple[int, int]], from_ns: int, to_ns: int) -> bool:
    return any(begun <= to_ns and ended >= from_ns for begun, ended in stalls)
