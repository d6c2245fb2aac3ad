"""Twins of the checks on pushes: notified in time, tokens dropped when they must be, messages left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.checks.oracles.facts import Facts, Judged, Key, Terms, person_of
from harness.checks.oracles.pushes import Request
from harness.checks.oracles.sends import Send

LEFT_NS = 500_000_000
SECOND_NS = 1_000_000_000
LONGEST_NS = 10 * SECOND_NS
ENOUGH = 6
HERE = frozenset({"person_online", "connection_opened"})


@dataclass(frozen=True)
class Owed:
    """One message that a device was to be notified of, because it was surely away."""

    facts: Facts
    terms: Terms
    send: Send
    device: str
    push_ref: str
    back_ns: int | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it in a violation."""
        return self.send.client_message_id, self.send.message_id or "", self.device

    @property
    def accepted_ns(self) -> int:
        """When the message was acknowledged."""
        return self.send.accepted_ns or 0

    @property
    def requests(self) -> list[Request]:
        """What its provider was asked for it."""
        return [
            one for one in self.facts.requests if (one.message_id, one.device) == (self.send.message_id, self.device)
        ]

    @property
    def token(self) -> list[Request]:
        """Everything that its provider was asked for its token."""
        return [one for one in self.facts.requests if one.push_ref == self.push_ref]

    @property
    def taken_ns(self) -> int | None:
        """When the provider took it."""
        return min((one.ended_ns for one in self.requests if one.taken), default=None)

    @property
    def due_ns(self) -> int | None:
        """By when it had to be taken."""
        if self.terms.deliver_within_ns is None:
            return None
        waited = self.accepted_ns + 2 * max(self.facts.healed_ns - self.accepted_ns, 0)
        failed = [one for one in self.requests if not one.taken]
        if failed:
            ends = [one.ended_ns for one in failed]
            asked = max(one.ended_ns + (one.retry_after_ms or 0) * 1_000_000 for one in failed)
            waited = max(waited, asked + 2 * (max(ends) - min(ends)))
        return waited + self.terms.deliver_within_ns

    @property
    def unused(self) -> bool:
        """Its token failed, was not used since, and nothing was tried for this later message although it was due."""
        token, due_ns = self.token, self.due_ns
        if not token or any(one.unregistered for one in token) or token[-1].taken or due_ns is None:
            return False
        later = self.accepted_ns > token[-1].ended_ns and not self.requests
        return later and due_ns <= self.facts.final_ns and not self._back_by(due_ns)

    def judged(self, *, silent: bool) -> bool:
        """Whether it can be held against the service if it was not taken in time."""
        due_ns = self.due_ns
        if due_ns is None:
            return False
        if self.in_time:
            return True
        gone = [one.ended_ns for one in self.token if one.unregistered]
        return (
            due_ns <= self.facts.final_ns
            and not silent
            and all(one.taken or one.retryable for one in self.requests)
            and (self.taken_ns is not None or len(self.requests) < ENOUGH)
            and self.facts.healed_ns - self.accepted_ns <= LONGEST_NS
            and all(ended_ns > due_ns for ended_ns in gone)
            and not self._back_by(due_ns)
            and not self._read_by(due_ns)
        )

    @property
    def in_time(self) -> bool:
        """The provider took it by the time that it was due."""
        return self.taken_ns is not None and self.due_ns is not None and self.taken_ns <= self.due_ns

    @cached_property
    def excused(self) -> bool:
        """A witness was held up meanwhile."""
        since_ns, due_ns = max(self.accepted_ns, self.facts.healed_ns), self.due_ns or 0
        return any(begun <= due_ns and ended >= since_ns for begun, ended in self.facts.stalls())

    def _back_by(self, due_ns: int) -> bool:
        return self.back_ns is not None and self.back_ns <= due_ns

    def _read_by(self, due_ns: int) -> bool:
        """Its person has read it, or one behind it in the same conversation, on some device."""
        own = _place(self.facts, self.send.message_id)
        return any(
            event.message_id == self.send.message_id or _before(own, _place(self.facts, event.message_id))
            for event in self.facts.events
            if event.event == "message_read"
            and event.device is not None
            and person_of(event.device) == person_of(self.device)
            and event.mono_ns <= due_ns
        )


def push_notified(facts: Facts, terms: Terms) -> Judged:
    """Whoever is away is notified of a message in time."""
    owed = list(_owed(facts, terms))
    silent = {one.push_ref for one in owed if one.unused}
    judged = [one for one in owed if one.judged(silent=one.push_ref in silent)]
    late = [one for one in judged if not one.in_time]
    excused = [one for one in late if one.excused]
    keys: set[Key] = {
        ("not_pushed" if one.taken_ns is None else "late", *one.key) for one in late if one not in excused
    }
    return Judged(len(judged) - len(excused), len(excused), frozenset(keys))


def push_token_dropped(facts: Facts, terms: Terms) -> Judged:
    """A push token is dropped when its provider says that it is gone, and never otherwise."""
    owed = list(_owed(facts, terms))
    risky = [one for one in owed if any(not asked.taken and asked.ended_ns < one.accepted_ns for asked in one.token)]
    keys: set[Key] = {("dropped_needlessly", *one.key) for one in owed if one.unused}
    keys |= {
        ("used_again", facts.names.get(asked.message_id, ""), asked.message_id, asked.device or "")
        for asked in facts.requests
        if any(_reused(facts, gone, asked) for gone in facts.requests)
    }
    return Judged(exercised=len(risky), keys=frozenset(keys))


def _reused(facts: Facts, gone: Request, asked: Request) -> bool:
    same = gone.unregistered and gone.push_ref is not None and gone.push_ref == asked.push_ref
    if not same or gone.ended_ns > asked.started_ns - SECOND_NS:
        return False
    anew = any(
        event.event == "push_token_registered"
        and event.push_ref == asked.push_ref
        and gone.ended_ns < event.mono_ns <= asked.started_ns
        for event in facts.witnessed
    )
    return not anew and not facts.disturbed(gone.started_ns, gone.ended_ns + SECOND_NS)


def push_isolated(facts: Facts, terms: Terms) -> Judged:
    """A failed push changes nothing about its message."""
    failed = sorted({asked.message_id for asked in facts.requests if not asked.taken})
    readers = facts.complete_readers()
    people = {event.recipient for event in facts.events if event.event == "oracle_completed" and event.recipient}
    all_read = bool(people) and people == readers
    exercised, keys = 0, set[Key]()
    for message_id in failed:
        send = facts.by_client_id.get(facts.names.get(message_id, ""))
        exercised += all_read if send is None else bool(facts.members(send) & readers)
        if send is not None:
            keys |= _changed(facts, terms, send, message_id)
        elif all_read and terms.retention_ns is None:
            seen = any(event.message_id == message_id for event in facts.readings)
            keys |= set() if seen else {("vanished", "", message_id, "")}
    return Judged(exercised=exercised, keys=frozenset(keys))


def _changed(facts: Facts, terms: Terms, send: Send, message_id: str) -> set[Key]:
    name, accepted_ns = send.client_message_id, send.accepted_ns
    if send.outcome == "fail":
        return {("refused", name, message_id, "")}
    kept = terms.retention_ns is None or (accepted_ns or 0) >= facts.oracle_ns - terms.retention_ns
    if accepted_ns is None or accepted_ns > facts.oracle_ns or not kept:
        return set()
    found_by = {event.recipient for event in facts.readings if facts.message(event) == name}
    if (facts.members(send) & facts.complete_readers()) - found_by:
        return {("not_stored", name, message_id, "")}
    if not found_by or accepted_ns > facts.final_ns:
        return set()
    missing = {one for one in facts.audience(send) & facts.finally_synced() if (name, one) not in facts.first_on}
    return {("not_synced", name, message_id, device) for device in missing}


def _owed(facts: Facts, terms: Terms) -> Iterator[Owed]:
    for send in facts.sends.values():
        if send.accepted_ns is None:
            continue
        for device in facts.audience(send):
            push_ref = _registered(facts, device, send.started_ns)
            if push_ref and person_of(device) != send.started.sender and _away(facts, send, device):
                back = [at for at, gone in _presence(facts, device) if not gone and at > send.accepted_ns]
                yield Owed(facts, terms, send, device, push_ref, min(back, default=None))


def _place(facts: Facts, message_id: str | None) -> tuple[str, int] | None:
    """Where a message stands: its conversation and its first place in it, as the readings at the end have it."""
    places = [
        (event.conversation_id, event.conversation_seq)
        for event in facts.readings
        if event.message_id == message_id and event.conversation_id and event.conversation_seq is not None
    ]
    return min(places, default=None)


def _before(one: tuple[str, int] | None, other: tuple[str, int] | None) -> bool:
    return one is not None and other is not None and one[0] == other[0] and one[1] < other[1]


def _registered(facts: Facts, device: str, before_ns: int) -> str | None:
    told = [
        event.push_ref
        for event in facts.witnessed
        if event.event == "push_token_registered" and (event.device == device and event.mono_ns < before_ns)
    ]
    known = [push_ref for push_ref in told if push_ref]
    return known[-1] if known else None


def _presence(facts: Facts, device: str) -> list[tuple[int, bool]]:
    """When a device left (True) and when it showed that it is there (False)."""
    return [
        (event.mono_ns, event.event == "person_offline")
        for event in facts.witnessed
        if event.event in {"person_offline", *HERE} and event.device == device
    ]


def _away(facts: Facts, send: Send, device: str) -> bool:
    seen = _presence(facts, device)
    left = max((at for at, gone in seen if gone and at <= send.started_ns - LEFT_NS), default=None)
    here = max((at for at, gone in seen if not gone and at <= (send.accepted_ns or 0) + SECOND_NS), default=0)
    if left is None or left <= here:
        return False
    return not any(
        window.kind.startswith("network.")
        and window.target.startswith("client")
        and window.begun_ns <= send.started_ns
        and (window.healed_ns is None or window.healed_ns >= left)
        for window in facts.windows
    )
