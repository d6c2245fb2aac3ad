"""Histories written by hand, for authors of checks: say what happened and get the events, in order and stamped.

>>> builder = HistoryBuilder().online("alice/phone", "bob/phone")
>>> message = builder.send("m1", at_s=1.0)
>>> builder.live(message, "bob/phone", at_s=1.1).archive(["alice", "bob"], [message])
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from harness.core.events import SCHEMA_VERSION, Event, Outcome, Phase

ORIGIN_NS = 1_000_000_000_000
WALL_NS = 1_700_000_000_000_000_000
LATENCY_S = 0.010
RETRY_S = 0.500
"""Seconds between the attempts of a send."""

PHASES: dict[Phase, float] = {
    "baseline": 0.0,
    "inject": 1.0,
    "observe": 10.0,
    "heal": 20.0,
    "quiet": 20.5,
    "final": 40.0,
    "oracle": 45.0,
}
"""When the phases of a built history begin, in seconds."""

FINAL_SYNC_S = PHASES["final"] + 1.0
READING_S = PHASES["oracle"] + 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message as its sender and the service know it; ``device`` is the sending one, times are in seconds."""

    client_message_id: str
    message_id: str
    conversation_id: str
    seq: int
    device: str
    recipient: str | None
    body_digest: str
    sent_s: float
    answered_s: float
    server_time_ns: int

    @property
    def sender(self) -> str:
        """The person who sent it."""
        return self.device.partition("/")[0]


class HistoryBuilder:
    """Collects events in any order; every method that records something returns the builder."""

    def __init__(self, *, run: str = "synthetic") -> None:
        self._run = run
        self._records: list[tuple[int, str, dict[str, Any]]] = []
        self._live: dict[str, str] = {}
        self._credentials: dict[str, str] = {}
        self._push_tokens: dict[str, str] = {}
        self._ahead_ns: dict[str, int] = {}
        self._opened = 0
        self._places: dict[str, int] = {}
        for phase, at_s in PHASES.items():
            self.add("phase_started", at_s, observer="engine", phase=phase)

    def add(self, event: str, at_s: float, **fields: Any) -> Self:
        """Record any event; ``observer`` defaults to client, ``writer`` to one writer per kind of observer."""
        fields.setdefault("observer", "client")
        writer = fields.pop("writer", "engine-1-1" if fields["observer"] == "engine" else "swarm-1-1")
        self._records.append((at_ns(at_s), writer, {"event": event, **fields}))
        return self

    def online(self, *devices: str, at_s: float = 0.0) -> Self:
        """Devices appear, or come back, and connect."""
        for device in devices:
            self.add("person_online", at_s, device=device)
            self.connect(device, at_s)
        return self

    def connect(self, device: str, at_s: float) -> Self:
        """A device opens a new connection."""
        self._opened += 1
        self._live[device] = f"conn-{self._opened}"
        return self.add("connection_opened", at_s, device=device, connection=self._live[device])

    def lose(self, device: str, at_s: float) -> Self:
        """The connection of a device breaks."""
        return self.add("connection_lost", at_s, device=device, connection=self._live[device])

    def offline(self, device: str, at_s: float) -> Self:
        """A device leaves on purpose."""
        return self.add("person_offline", at_s, device=device)

    def fault(
        self, fault: str, from_s: float, to_s: float | None, *, kind: str = "network.down", **target: Any
    ) -> Self:
        """A fault is in place for a time, by default on ``client->chat``; without an end it is never healed."""
        facts: dict[str, Any] = {"fault": fault, "link": "client->chat", "detail": {"kind": kind}, "observer": "engine"}
        facts |= target
        self.add("fault_commanded", from_s, **facts).add("fault_installed", from_s, **facts)
        return self if to_s is None else self.add("fault_healed", to_s, **facts)

    def send(
        self,
        name: str,
        at_s: float,
        *,
        device: str = "alice/phone",
        to: str | None = "bob",
        conversation: str = "c1",
        answers: Sequence[Outcome | None] = ("ok",),
        seq: int | None = None,
    ) -> Message:
        """A send with one attempt per answer; ``seq`` defaults to the next place of the conversation.

        A message to a group has nobody in ``to``.
        """
        if seq is None:
            seq = self._places[conversation] = self._places.get(conversation, 0) + 1
        end_s = at_s + RETRY_S * (len(answers) - 1) + LATENCY_S
        message = Message(
            client_message_id=f"c-{name}",
            message_id=f"s-{name}",
            conversation_id=conversation,
            seq=seq,
            device=device,
            recipient=to,
            body_digest=f"body-{name}",
            sent_s=at_s,
            answered_s=end_s,
            server_time_ns=WALL_NS + at_ns(end_s),
        )
        for index, answer in enumerate(answers):
            self.attempt(message, index + 1, at_s + RETRY_S * index, answer)
        return message

    def attempt(self, message: Message, number: int, at_s: float, answer: Outcome | None) -> Self:
        """One wire attempt; ``None``: no end of it is on record."""
        facts = {
            "credential_ref": self._credentials.get(message.device),
            "client_time_ns": WALL_NS + at_ns(message.sent_s) + self._ahead_ns.get(message.device, 0),
            "intended_ns": at_ns(message.sent_s),
        }
        self.add(
            "client_send_started", at_s, attempt=number, body_digest=message.body_digest, **facts, **_operation(message)
        )
        if answer == "ok":
            return self.acknowledge(message, at_s + LATENCY_S, attempt=number)
        if answer is None:
            return self
        return self.add("client_send_failed", at_s + LATENCY_S, attempt=number, outcome=answer, **_operation(message))

    def acknowledge(self, message: Message, at_s: float, *, attempt: int = 1, message_id: str | None = None) -> Self:
        """The acknowledgement reaches the sender."""
        return self.add(
            "server_accepted",
            at_s,
            attempt=attempt,
            outcome="ok",
            message_id=message_id or message.message_id,
            conversation_seq=message.seq,
            server_time_ns=message.server_time_ns,
            **_operation(message),
        )

    def refuse(self, message: Message, at_s: float, *, attempt: int = 1, **facts: Any) -> Self:
        """The service refuses an attempt; ``facts`` are its status, code and wish for time."""
        return self.add("client_send_failed", at_s, attempt=attempt, outcome="fail", **_operation(message), **facts)

    def give_up(self, message: Message, at_s: float, outcome: Outcome, *, attempt: int = 1) -> Self:
        """The client ends an operation without success."""
        return self.add(
            "client_send_failed", at_s, attempt=attempt, outcome=outcome, detail={"final": True}, **_operation(message)
        )

    def live(self, message: Message, device: str, at_s: float, **changes: Any) -> Self:
        """The live connection of a device gets a message; ``changes`` replace fields of the event."""
        facts = {"via": "live", "connection": self._live.get(device), **_copy(message), **changes}
        return self.add("recipient_online_delivered", at_s, device=device, **facts)

    def sync(self, message: Message, device: str, at_s: float, cursors: tuple[str | None, str], **changes: Any) -> Self:
        """A device pulls a message in a page from one cursor to another."""
        facts = {"via": "sync", "cursor_from": cursors[0], "cursor_to": cursors[1], **_copy(message), **changes}
        return self.add("recipient_synced", at_s, device=device, **facts)

    def to_device(
        self,
        name: str,
        at_s: float,
        to: str,
        *,
        device: str = "alice/phone",
        answers: Sequence[Outcome | None] = ("ok",),
    ) -> Self:
        """A message to a single device, with one attempt per answer; None: no end of it is on record."""
        for index, answer in enumerate(answers):
            began_s = at_s + RETRY_S * index
            facts = {
                "client_message_id": f"d-{name}",
                "device": device,
                "sender": device.partition("/")[0],
                "recipient": to.partition("/")[0],
                "attempt": index + 1,
                "detail": {"to": to},
            }
            self.add("to_device_send_started", began_s, body_digest=f"body-{name}", **facts)
            if answer is not None:
                end = "to_device_accepted" if answer == "ok" else "to_device_send_failed"
                self.add(end, began_s + LATENCY_S, outcome=answer, **facts)
        return self

    def for_device(self, name: str, device: str, at_s: float, **changes: Any) -> Self:
        """A message to it reaches a device; ``changes`` replace fields of the event."""
        facts = {"via": "live", "connection": self._live.get(device), "body_digest": f"body-{name}", **changes}
        return self.add("to_device_arrived", at_s, device=device, client_message_id=f"d-{name}", **facts)

    def confirmed(self, name: str, device: str, at_s: float) -> Self:
        """The service was told that a message to a device is there."""
        return self.add("to_device_confirmed", at_s, device=device, client_message_id=f"d-{name}")

    def receipt(self, state: Literal["delivered", "read"], message: Message, by: str, at_s: float) -> Self:
        """The sending device is told that a person got or read a message."""
        event = "read_receipt_received" if state == "read" else "delivery_receipt_received"
        return self.add(event, at_s, device=message.device, message_id=message.message_id, sender=by)

    def read(self, message: Message, device: str, at_s: float) -> Self:
        """A person opens a message on a device."""
        facts = _copy(message)
        del facts["body_digest"], facts["conversation_seq"], facts["server_time_ns"]
        return self.add("message_read", at_s, device=device, **facts)

    def group(self, conversation: str, *members: str, at_s: float = 0.5) -> Self:
        """A group is made with these members."""
        for member in members:
            facts = {"conversation_id": conversation, "detail": {"change": "create"}}
            self.add("membership_changed", at_s, sender=members[0], recipient=member, **facts)
        return self

    def change(
        self, kind: str, who: str, whom: str, from_s: float, to_s: float | None, conversation: str | None = None
    ) -> Self:
        """Somebody joins, leaves, blocks or unblocks; without an end it was never confirmed."""
        facts = {"sender": who, "recipient": whom, "conversation_id": conversation, "detail": {"change": kind}}
        self.add("membership_changing", from_s, **facts)
        return self if to_s is None else self.add("membership_changed", to_s, **facts)

    def token(self, device: str, credential: str, at_s: float, *, event: str = "token_issued", **facts: Any) -> Self:
        """A device gets a credential, with which it sends from now on."""
        self._credentials[device] = credential
        return self.add(event, at_s, device=device, credential_ref=credential, **facts)

    def end_tokens(self, person: str, from_s: float, to_s: float, *, kind: str = "token.expire") -> Self:
        """The tokens of a person are ended by a command that was given at ``from_s`` and confirmed at ``to_s``."""
        detail = {"kind": kind, "began_ns": at_ns(from_s)}
        return self.add("fault_commanded", to_s, fault="ended", recipient=person, observer="engine", detail=detail)

    def set_clock(self, device: str, ahead_s: float) -> Self:
        """The clock of a device goes wrong by so much, for what it sends from now on."""
        self._ahead_ns[device] = round(ahead_s * 1e9)
        return self

    def push_token(self, device: str, at_s: float, reference: str | None = None) -> Self:
        """A device registers where its pushes go."""
        self._push_tokens[device] = reference or f"push-{device}"
        return self.add("push_token_registered", at_s, device=device, push_ref=self._push_tokens[device])

    def push(self, message: Message, device: str, at_s: float, answer: str = "accepted", **facts: Any) -> Self:
        """A provider gets a request to notify a device of a message, and answers it."""
        status = {"accepted": 200, "accepted_never_shown": 200, "unregistered": 410, "throttled": 429}.get(answer, 503)
        told: dict[str, Any] = {
            "observer": "provider",
            "writer": "unipush-1-1",
            "provider_answer": answer,
            "http_status": status,
            "message_id": message.message_id,
            "conversation_id": message.conversation_id,
            "device": device,
            "push_ref": self._push_tokens.get(device),
        }
        return self.add("push_sent" if answer.startswith("accepted") else "push_failed", at_s, **told | facts)

    def final_sync(self, *devices: str, at_s: float = FINAL_SYNC_S) -> Self:
        """Devices follow their own cursors to the end."""
        for device in devices:
            self.add("sync_completed", at_s, device=device, cursor_to="end")
        return self

    def archive(
        self, people: Iterable[str], messages: Sequence[Message], *, complete: bool = True, at_s: float = READING_S
    ) -> Self:
        """The final reading finds these messages with each of these people."""
        for person in people:
            for message in messages:
                self.stored(message, person, at_s)
            detail = {"complete": complete, "messages": len(messages)}
            self.add("oracle_completed", at_s + 1.0, observer="oracle", recipient=person, detail=detail)
        return self

    def stored(self, message: Message, person: str, at_s: float = READING_S, **changes: Any) -> Self:
        """The final reading finds one message; ``changes`` replace fields of the event."""
        facts = {**_copy(message), **changes}
        return self.add("oracle_read", at_s, observer="oracle", recipient=person, via="archive", **facts)

    def events(self) -> list[Event]:
        """Return the events by time, numbered per writer and stamped with the phase that they fall into."""
        numbers: dict[str, int] = {}
        found = []
        for mono_ns, writer, fields in sorted(self._records, key=lambda record: record[0]):
            number = numbers[writer] = numbers.get(writer, -1) + 1
            stamp: dict[str, Any] = {"phase": _phase_at(mono_ns), "mono_ns": mono_ns, "wall_ns": WALL_NS + mono_ns}
            found.append(Event(v=SCHEMA_VERSION, run=self._run, writer=writer, seq=number, **(stamp | fields)))
        return found

    def write(self, folder: Path) -> Path:
        """Write the events as a run's writers would and return ``folder``."""
        write_events(folder, self.events())
        return folder


def at_ns(at_s: float) -> int:
    """Return a moment of a built history on the monotonic clock."""
    return ORIGIN_NS + round(at_s * 1e9)


def write_events(folder: Path, events: Iterable[Event]) -> None:
    """Write events to one file per writer in ``folder``, which is made when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[bytes]] = {}
    for event in events:
        lines.setdefault(event.writer, []).append(msgspec.json.encode(event) + b"\n")
    for writer, encoded in lines.items():
        (folder / f"{writer}.jsonl").write_bytes(b"".join(encoded))


def _phase_at(mono_ns: int) -> str:
    starts = [at_ns(at_s) for at_s in PHASES.values()]
    return list(PHASES)[max(0, bisect_right(starts, mono_ns) - 1)]


def _operation(message: Message) -> dict[str, Any]:
    return {
        "op": message.client_message_id,
        "client_message_id": message.client_message_id,
        "conversation_id": message.conversation_id,
        "sender": message.sender,
        "recipient": message.recipient,
        "device": message.device,
    }


def _copy(message: Message) -> dict[str, Any]:
    return {
        "client_message_id": message.client_message_id,
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
        "conversation_seq": message.seq,
        "sender": message.sender,
        "body_digest": message.body_digest,
        "server_time_ns": message.server_time_ns,
    }
