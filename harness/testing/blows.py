"""Blows that make a plausible history misbehave: one event dropped, repeated, moved, altered or invented."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.core.events import Event


def strike(rng: random.Random, events: Sequence[Event], blows: int) -> list[Event]:
    """Return the events after some blows, each of which drops, repeats, moves, alters or invents one."""
    changed = list(events)
    for _ in range(blows):
        rng.choice(_BLOWS)(rng, changed)
    return renumbered(changed)


def renumbered(events: Sequence[Event]) -> list[Event]:
    """Return events in the order of their time with numbers per writer that have no gap."""
    numbers: dict[str, int] = {}
    found = []
    for event in sorted(events, key=lambda one: one.mono_ns):
        numbers[event.writer] = numbers.get(event.writer, -1) + 1
        found.append(msgspec.structs.replace(event, seq=numbers[event.writer]))
    return found


Blow = Callable[[random.Random, list[Event]], None]


def _drop(rng: random.Random, events: list[Event]) -> None:
    events.pop(rng.randrange(len(events)))


def _repeat(rng: random.Random, events: list[Event]) -> None:
    event = rng.choice(events)
    later = event.mono_ns + rng.choice((1_000_000, 100_000_000, 3_000_000_000))
    events.append(msgspec.structs.replace(event, mono_ns=later))


def _move(rng: random.Random, events: list[Event]) -> None:
    index = rng.randrange(len(events))
    shift = round(rng.uniform(-6e9, 6e9))
    events[index] = msgspec.structs.replace(events[index], mono_ns=max(1, events[index].mono_ns + shift))


def _alter(rng: random.Random, events: list[Event]) -> None:
    """Give one field of an event the value that another event has there; a client never reuses an id of its own."""
    index = rng.randrange(len(events))
    name = rng.choice(_FIELDS)
    reused = name == "client_message_id" and events[index].op is not None
    if getattr(events[index], name) is not None and not reused:
        value = rng.choice([getattr(event, name) for event in events])
        events[index] = msgspec.structs.replace(events[index], **{name: value})


def _invent(rng: random.Random, events: list[Event]) -> None:
    index = rng.randrange(len(events))
    name, value = rng.choice(_INVENTIONS)
    if getattr(events[index], name) is not None and events[index].op is None:
        events[index] = msgspec.structs.replace(events[index], **{name: value})


def _page(rng: random.Random, events: list[Event]) -> None:
    """Turn a copy of a delivery into an item of a page of a sync."""
    copies = [event for event in events if event.event in {"recipient_online_delivered", "recipient_synced"}]
    if copies:
        event = rng.choice(copies)
        facts: dict[str, Any] = {"event": "recipient_synced", "via": "sync", "connection": None}
        cursors = {"cursor_from": rng.choice((None, "1", "2")), "cursor_to": rng.choice(("1", "2", "3"))}
        later = event.mono_ns + rng.choice((0, 1_000_000, 2_000_000_000))
        events.append(msgspec.structs.replace(event, mono_ns=later, **facts, **cursors))


def _hold_up(rng: random.Random, events: list[Event]) -> None:
    event = rng.choice(events)
    name, key, held_ms = rng.choice((("recorder_stall", "took_ms", 150.0), ("generator_lag", "max_lag_ms", 1500.0)))
    plain = Event(
        v=event.v,
        run=event.run,
        writer=event.writer,
        seq=0,
        mono_ns=event.mono_ns,
        wall_ns=event.wall_ns,
        event=name,
        observer=event.observer,
        detail={key: held_ms},
    )
    events.append(plain)


def _give_up(rng: random.Random, events: list[Event]) -> None:
    sends = [event for event in events if event.event == "client_send_started"]
    if sends:
        event = rng.choice(sends)
        facts: dict[str, Any] = {"event": "client_send_failed", "outcome": rng.choice(("fail", "unknown"))}
        later = event.mono_ns + rng.choice((5_000_000, 2_000_000_000))
        events.append(msgspec.structs.replace(event, mono_ns=later, detail={"final": True}, **facts))


def _rename(rng: random.Random, events: list[Event]) -> None:
    """Let a client give a later attempt of an operation another id."""
    tried = [event for event in events if event.op and (event.attempt or 1) > 1]
    if tried:
        chosen = rng.choice(tried)
        for index, event in enumerate(events):
            if (event.op, event.attempt) == (chosen.op, chosen.attempt):
                events[index] = msgspec.structs.replace(event, client_message_id=f"{event.op}-again{event.attempt}")


def _claim(rng: random.Random, events: list[Event]) -> None:
    """Let a client show a message as delivered of its own accord."""
    accepted = [event for event in events if event.event == "server_accepted"]
    if accepted:
        event = rng.choice(accepted)
        facts: dict[str, Any] = {"event": "delivery_receipt_received", "sender": event.recipient, "op": None}
        later = event.mono_ns + rng.choice((1_000, 50_000_000))
        events.append(msgspec.structs.replace(event, mono_ns=later, detail={"claimed": True}, **facts))


def _hammer(rng: random.Random, events: list[Event]) -> None:
    """Let a request to a provider, or an attempt of a client, be repeated many times in a row."""
    asked = [event for event in events if event.event in {"push_failed", "push_sent"}]
    failed = [event for event in events if event.event == "client_send_failed" and event.op]
    if not asked and not failed:
        return
    event = rng.choice(asked or failed) if rng.random() < 0.5 or not failed else rng.choice(failed)  # noqa: PLR2004 - even
    gap_ns = rng.choice((20_000_000, 90_000_000, 300_000_000))
    for number in range(1, rng.choice((3, 9, 23))):
        later = event.mono_ns + number * gap_ns
        if event.op is None:
            events.append(msgspec.structs.replace(event, mono_ns=later))
            continue
        again: dict[str, Any] = {"attempt": (event.attempt or 1) + number, "detail": None}
        started = msgspec.structs.replace(
            event, event="client_send_started", outcome=None, mono_ns=later - 5_000_000, **again
        )
        events += [started, msgspec.structs.replace(event, mono_ns=later, **again)]


_BLOWS: tuple[Blow, ...] = (
    *(_drop, _drop, _repeat, _move, _move, _alter, _alter, _invent, _page, _hold_up, _give_up),
    *(_rename, _claim, _hammer),
)
_FIELDS = (
    "client_message_id",
    "message_id",
    "conversation_seq",
    "sender",
    "recipient",
    "device",
    "body_digest",
    "connection",
    "cursor_from",
    "cursor_to",
    "outcome",
    "attempt",
    "phase",
    "conversation_id",
    "credential_ref",
    "push_ref",
    "server_time_ns",
    "client_time_ns",
    "retry_after_ms",
    "http_status",
    "error_code",
    "provider_answer",
)
_INVENTIONS = (
    ("client_message_id", "c-invented"),
    ("message_id", "s-invented"),
    ("body_digest", "body-invented"),
    ("device", "mallory/phone"),
    ("conversation_seq", 99),
    ("client_message_id", None),
)
