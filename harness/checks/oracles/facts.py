"""What the twins know of a history: the same arrangement as ``views.sql``, as Python objects."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.checks.oracles.pushes import Request, requests_of
from harness.checks.oracles.sends import Send, sends_of
from harness.checks.oracles.standing import Change, Circle, changes_of, circle_of
from harness.checks.oracles.windows import Window, windows_of
from harness.core.events import Event
from harness.core.plan import ClientBehaviour
from harness.core.stack import Order, Promises

Key = tuple[str, str, str, str]
"""Kind, client message id, message id, device; an absent fact is empty."""

STALL_NS = 100_000_000
LAG_NS = 1_000_000_000
BEAT_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """The promises in nanoseconds; None is no bound."""

    order: Order | None
    deliver_within_ns: int | None
    recover_within_ns: int
    idempotency_window_ns: int | None
    retention_ns: int | None
    client: ClientBehaviour = "outbox"

    @classmethod
    def of(cls, promises: Promises, recover_within_s: float, client: ClientBehaviour = "outbox") -> Terms:
        """Convert what a stack declares, in seconds."""
        return cls(
            order=promises.order,
            deliver_within_ns=_ns(promises.deliver_within_s),
            recover_within_ns=round(recover_within_s * 1e9),
            idempotency_window_ns=_ns(promises.idempotency_window_s),
            retention_ns=_ns(promises.retention_s),
            client=client,
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check says of a history."""

    exercised: int
    undecided: int = 0
    keys: frozenset[Key] = frozenset()


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
        self.sends = {send.op: send for send in sends_of(self.witnessed)}
        self._circles: dict[str, Circle] = {}
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

    def circle(self, send: Send) -> Circle:
        """Who gets a message."""
        if send.op not in self._circles:
            self._circles[send.op] = circle_of(send, self.changes)
        return self._circles[send.op]

    @cached_property
    def changes(self) -> list[Change]:
        """Every change of who gets what."""
        return changes_of(self.witnessed)

    @cached_property
    def requests(self) -> list[Request]:
        """Every push as its provider saw it."""
        return requests_of(self.events)

    @cached_property
    def windows(self) -> list[Window]:
        """The faults of the run."""
        return windows_of(self.events)

    def disturbed(self, from_ns: int, to_ns: int) -> bool:
        """Whether a fault other than of pushes was in place at some moment of a span."""
        return any(
            not window.kind.startswith("push.")
            and window.begun_ns <= to_ns
            and (window.healed_ns is None or window.healed_ns >= from_ns)
            for window in self.windows
        )

    def members(self, send: Send) -> set[str]:
        """People who must get a message."""
        return {person for person, standing in self.circle(send).standing.items() if standing == "must"}

    def audience(self, send: Send) -> set[str]:
        """Devices on which a message must arrive: those there before it was sent, the sending one excepted."""
        return {
            device
            for device, first_ns in self.known_devices().items()
            if person_of(device) in self.members(send) and device != send.started.device and first_ns <= send.started_ns
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
        witnesses = {event.writer for event in self.events if event.observer in {"client", "wire", "provider"}}
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
        self.healed_ns = max(healed, default=0)
        self.calm_ns = max(healed) if healed else begun.get("observe", self.events[0].mono_ns)
        self.final_ns = begun.get("final", end)
        self.oracle_ns = begun.get("oracle", first_reading)


def person_of(device: str) -> str:
    """The person whose device it is."""
    return device.partition("/")[0]


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
