"""What the twins know of a history: the same arrangement as ``views.sql``, as Python objects."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.core.events import Event, Outcome
from harness.core.stack import Order, Promises

Key = tuple[str, str, str, str]
"""Kind, client message id, message id, device; an absent fact is empty."""

STALL_NS = 100_000_000
LAG_NS = 1_000_000_000
BEAT_NS = 2_000_000_000
SEND_EVENTS = frozenset({"client_send_started", "server_accepted", "client_send_failed"})


@dataclass(frozen=True, slots=True)
class Terms:
    """The promises in nanoseconds; None is no bound."""

    order: Order | None
    deliver_within_ns: int | None
    recover_within_ns: int
    idempotency_window_ns: int | None
    retention_ns: int | None

    @classmethod
    def of(cls, promises: Promises, recover_within_s: float) -> Terms:
        """Convert what a stack declares, in seconds."""
        return cls(
            order=promises.order,
            deliver_within_ns=_ns(promises.deliver_within_s),
            recover_within_ns=round(recover_within_s * 1e9),
            idempotency_window_ns=_ns(promises.idempotency_window_s),
            retention_ns=_ns(promises.retention_s),
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check says of a history."""

    exercised: int
    undecided: int = 0
    keys: frozenset[Key] = frozenset()


@dataclass(slots=True)
class Attempt:
    """One wire attempt."""

    started_ns: int
    outcome: Outcome


@dataclass(slots=True)
class Send:
    """One operation with all its attempts."""

    op: str
    client_message_id: str
    started: Event
    attempts: list[Attempt]
    accepted_ns: int | None = None
    message_id: str | None = None
    given_up_ns: int | None = None

    @property
    def people(self) -> set[str]:
        """Sender and recipient."""
        return {person for person in (self.started.sender, self.started.recipient) if person}

    @property
    def outcome(self) -> Outcome:
        """Ok if any attempt was; failed only if all were."""
        seen = {attempt.outcome for attempt in self.attempts}
        return "ok" if "ok" in seen else "unknown" if "unknown" in seen else "fail"

    @property
    def started_ns(self) -> int:
        """When the first attempt began."""
        return min(attempt.started_ns for attempt in self.attempts)

    @property
    def last_started_ns(self) -> int:
        """When the last attempt began."""
        return max(attempt.started_ns for attempt in self.attempts)


@dataclass(slots=True)
class Link:
    """One connection of a device."""

    device: str
    connection: str
    opened_ns: int
    lost_ns: int = field(default=0)


class Facts:
    """A history, arranged by message, device and fault."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = sorted(events, key=lambda event: (event.mono_ns, event.writer, event.seq))
        self.witnessed = [event for event in self.events if event.observer in {"client", "wire"}]
        self.names = self._names()
        self.sends = {send.op: send for send in self._sends()}
        self.by_client_id = {send.client_message_id: send for send in self.sends.values()}
        received = {"recipient_online_delivered", "recipient_synced"}
        self.deliveries = [event for event in self.witnessed if event.event in received and event.device]
        self.readings = [event for event in self.events if event.event == "oracle_read"]
        self.first_on = self._first_on()
        self._times()

    def client_id(self, event: Event) -> str | None:
        """The client's id of the message that an event is about, as far as it can be known."""
        return event.client_message_id or self.names.get(event.message_id or "")

    def message(self, event: Event) -> str | None:
        """The name of the message that an event is about."""
        return self.client_id(event) or event.message_id

    def complete_readers(self) -> set[str]:
        """People whose archive was read in full, with every announced message on record."""
        counts: dict[str, int] = defaultdict(int)
        for event in self.readings:
            counts[event.recipient or ""] += 1
        announced: dict[str, int] = {}
        for event in self.events:
            detail = event.detail or {}
            if event.event == "oracle_completed" and event.recipient and detail.get("complete") is True:
                number = int(detail.get("messages", 0))
                announced[event.recipient] = max(number, announced.get(event.recipient, 0))
        return {person for person, number in announced.items() if counts[person] >= number}

    def known_devices(self) -> dict[str, int]:
        """When each device was first there."""
        signs = {"person_online", "connection_opened", "sync_completed"}
        found: dict[str, int] = {}
        for event in self.witnessed:
            if event.event in signs and event.device:
                found.setdefault(event.device, event.mono_ns)
        return found

    def finally_synced(self) -> set[str]:
        """Devices that followed their own cursor to the end in the final phase."""
        return {
            event.device
            for event in self.witnessed
            if event.event == "sync_completed" and event.phase == "final" and event.device
        }

    def audience(self, send: Send) -> set[str]:
        """Devices on which a message must arrive: those there before it was sent, the sending one excepted."""
        return {
            device
            for device, first_ns in self.known_devices().items()
            if person_of(device) in send.people and device != send.started.device and first_ns <= send.started_ns
        }

    def connections(self) -> list[Link]:
        """The connections of all devices; one without an end lasted as long as its witness."""
        found: dict[tuple[str, str], Link] = {}
        last = {event.writer: event.mono_ns for event in self.events}
        for event in self.witnessed:
            if event.event == "connection_opened" and event.device and event.connection:
                link = Link(event.device, event.connection, event.mono_ns, last[event.writer])
                found.setdefault((event.device, event.connection), link)
        for event in reversed(self.witnessed):
            for link in found.values():
                if _ends(event, link):
                    link.lost_ns = min(link.lost_ns, event.mono_ns)
        return list(found.values())

    def stalls(self) -> list[tuple[int, int]]:
        """Moments when a witness was itself held up."""
        witnesses = {event.writer for event in self.witnessed}
        found: list[tuple[int, int]] = []
        beats: dict[str, int] = {}
        for event in self.events:
            if event.writer not in witnesses:
                continue
            if event.event == "recorder_heartbeat":
                if event.mono_ns - beats.get(event.writer, event.mono_ns) > BEAT_NS:
                    found.append((beats[event.writer], event.mono_ns))
                beats[event.writer] = event.mono_ns
            found += _held(event)
        return found

    def _names(self) -> dict[str, str]:
        """Which client's id stands for a server's id: the sender knows best, else whoever saw both."""
        told: dict[str, str] = {}
        seen: dict[str, str] = {}
        for event in self.events:
            if event.observer in {"client", "wire", "oracle"} and event.message_id and event.client_message_id:
                for names in (seen, told) if event.event == "server_accepted" else (seen,):
                    known = names.get(event.message_id, event.client_message_id)
                    names[event.message_id] = min(known, event.client_message_id)
        return seen | told

    def _sends(self) -> Iterable[Send]:
        said: dict[str, list[Event]] = defaultdict(list)
        for event in self.witnessed:
            op = event.op or event.client_message_id
            if event.event in SEND_EVENTS and op:
                said[op].append(event)
        for op, events in said.items():
            if any(event.event == "client_send_started" for event in events):
                yield _send(op, events)

    def _first_on(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for event in self.deliveries:
            found.setdefault((self.message(event) or "", event.device or ""), event.mono_ns)
        return found

    def _times(self) -> None:
        begun: dict[str, int] = {}
        said: dict[str, int] = {}
        for event in self.events:
            if event.phase:
                begun.setdefault(event.phase, event.mono_ns)
                if event.event == "phase_started":
                    said.setdefault(event.phase, event.mono_ns)
        begun |= said
        healed = [event.mono_ns for event in self.events if event.event == "fault_healed" and event.fault]
        end = self.events[-1].mono_ns
        first_reading = self.readings[0].mono_ns if self.readings else end
        self.calm_ns = max(healed) if healed else begun.get("observe", self.events[0].mono_ns)
        self.final_ns = begun.get("final", end)
        self.oracle_ns = begun.get("oracle", first_reading)


def person_of(device: str) -> str:
    """The person whose device it is."""
    return device.partition("/")[0]


def _send(op: str, events: Sequence[Event]) -> Send:
    numbered: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        numbered[event.attempt or 1].append(event)
    attempts = [_attempt(group) for group in numbered.values() if _begins(group)]
    send = Send(op, min(event.client_message_id or op for event in events), _start(events), attempts)
    for event in events:
        if event.event == "server_accepted" and _begins(numbered[event.attempt or 1]):
            send.accepted_ns = event.mono_ns if send.accepted_ns is None else send.accepted_ns
        if event.event == "server_accepted" and event.message_id and send.message_id is None:
            send.message_id = event.message_id
        if event.event == "client_send_failed" and (event.detail or {}).get("final") is True:
            send.given_up_ns = event.mono_ns if send.given_up_ns is None else send.given_up_ns
    return send


def _start(events: Sequence[Event]) -> Event:
    """The first start, with what only later events of the operation tell."""
    starts = _begins(events)
    facts = {name: _first(starts, name) for name in ("sender", "recipient", "device", "body_digest")}
    return msgspec.structs.replace(starts[0], **facts, conversation_id=_first(events, "conversation_id"))


def _first(events: Sequence[Event], name: str) -> Any:
    return next((value for event in events if (value := getattr(event, name)) is not None), None)


def _begins(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.event == "client_send_started"]


def _attempt(events: Sequence[Event]) -> Attempt:
    failures = [event.outcome for event in events if event.event == "client_send_failed"]
    outcome: Outcome = "unknown"
    if any(event.event == "server_accepted" for event in events):
        outcome = "ok"
    elif failures and all(one == "fail" for one in failures):
        outcome = "fail"
    return Attempt(_begins(events)[0].mono_ns, outcome)


def _ends(event: Event, link: Link) -> bool:
    if event.device != link.device or event.mono_ns < link.opened_ns:
        return False
    return event.event == "person_offline" or (event.event == "connection_lost" and event.connection == link.connection)


def _held(event: Event) -> list[tuple[int, int]]:
    detail = event.detail or {}
    if event.event == "recorder_stall":
        held = round(float(detail.get("took_ms", 0)) * 1e6)
        return [(event.mono_ns - held, event.mono_ns)] if held >= STALL_NS else []
    if event.event == "generator_lag":
        held = round(float(detail.get("max_lag_ms", 0)) * 1e6)
        return [(event.mono_ns - held - LAG_NS, event.mono_ns)] if held > LAG_NS else []
    return []


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds * 1e9)
