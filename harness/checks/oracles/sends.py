"""What the twins know of sends: messages of operations, with every attempt and how it ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.core.events import Event, Outcome

SEND_EVENTS = frozenset({"client_send_started", "server_accepted", "client_send_failed"})


@dataclass(slots=True)
class Attempt:
    """One wire attempt."""

    number: int
    started_ns: int
    outcome: Outcome
    accepted_ns: int | None
    failed_ns: int | None
    http_status: int | None
    error_code: str | None
    retry_after_ms: int | None
    device: str | None
    credential_ref: str | None


@dataclass(slots=True)
class Send:
    """One message of an operation with all its attempts; ``renamed``: the operation has messages of other ids too."""

    op: str
    origin: str
    renamed: bool
    client_message_id: str
    started: Event
    attempts: list[Attempt]
    accepted_ns: int | None = None
    message_id: str | None = None
    given_up_ns: int | None = None
    clock_off_ns: int | None = None
    """By how much the client's clock was off when its user wrote the message."""

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


def sends_of(witnessed: Sequence[Event]) -> Iterator[Send]:
    """Yield the messages that clients tried to send, from events in the order of their time."""
    said: dict[str, list[Event]] = defaultdict(list)
    for event in witnessed:
        origin = event.op or event.client_message_id
        if event.event in SEND_EVENTS and origin:
            said[origin].append(event)
    for origin, events in said.items():
        renamed = len({event.client_message_id for event in events} - {None}) > 1
        named: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            named[(renamed and event.client_message_id) or origin].append(event)
        for name, own in named.items():
            if begins(own):
                yield _send(name, origin, renamed, own)


def begins(events: Sequence[Event]) -> list[Event]:
    """Return the beginnings of attempts."""
    return [event for event in events if event.event == "client_send_started"]


def _send(op: str, origin: str, renamed: bool, events: Sequence[Event]) -> Send:
    numbered: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        numbered[event.attempt or 1].append(event)
    attempts = [_attempt(number, group) for number, group in numbered.items() if begins(group)]
    client_id = min(event.client_message_id or op for event in events)
    send = Send(op, origin, renamed, client_id, _start(events), attempts)
    send.accepted_ns = min((one.accepted_ns for one in attempts if one.accepted_ns is not None), default=None)
    send.clock_off_ns = next((off for event in begins(events) if (off := _clock_off(event)) is not None), None)
    for event in events:
        if event.event == "server_accepted" and event.message_id and send.message_id is None:
            send.message_id = event.message_id
        if event.event == "client_send_failed" and (event.detail or {}).get("final") is True:
            send.given_up_ns = event.mono_ns if send.given_up_ns is None else send.given_up_ns
    return send


def _clock_off(event: Event) -> int | None:
    if event.client_time_ns is None:
        return None
    written_ns = event.mono_ns if event.intended_ns is None else event.intended_ns
    return event.client_time_ns - (event.wall_ns - event.mono_ns + written_ns)


def _start(events: Sequence[Event]) -> Event:
    """The first start, with what only later events of the operation tell."""
    starts = begins(events)
    names = ("sender", "recipient", "device", "body_digest", "client_time_ns", "intended_ns")
    facts = {name: _first(starts, name) for name in names}
    return msgspec.structs.replace(starts[0], **facts, conversation_id=_first(events, "conversation_id"))


def _first(events: Sequence[Event], name: str) -> Any:
    return next((value for event in events if (value := getattr(event, name)) is not None), None)


def _attempt(number: int, events: Sequence[Event]) -> Attempt:
    starts, failures = begins(events), [event for event in events if event.event == "client_send_failed"]
    accepted = [event.mono_ns for event in events if event.event == "server_accepted"]
    outcome: Outcome = "unknown"
    if accepted:
        outcome = "ok"
    elif failures and all(one.outcome == "fail" for one in failures):
        outcome = "fail"
    return Attempt(
        number=number,
        started_ns=starts[0].mono_ns,
        outcome=outcome,
        accepted_ns=min(accepted, default=None),
        failed_ns=min((event.mono_ns for event in failures), default=None),
        http_status=_least(failures, "http_status"),
        error_code=_least(failures, "error_code"),
        retry_after_ms=max(
            (event.retry_after_ms for event in failures if event.retry_after_ms is not None), default=None
        ),
        device=_least(starts, "device"),
        credential_ref=_least(starts, "credential_ref"),
    )


def _least(events: Sequence[Event], name: str) -> Any:
    return min((value for event in events if (value := getattr(event, name)) is not None), default=None)
