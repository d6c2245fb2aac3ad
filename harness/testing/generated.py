"""Histories drawn from chance: a service that behaves, then blows that make it misbehave, for testing checks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.core.events import Event, Outcome
from harness.testing.histories import PHASES, HistoryBuilder, Message

DEVICES = ("alice/phone", "alice/laptop", "bob/phone", "bob/tablet", "carol/phone")
ANSWERS: tuple[tuple[Outcome, ...], ...] = (
    ("ok",),
    ("ok",),
    ("unknown", "ok"),
    ("fail", "ok"),
    ("unknown",),
    ("fail",),
    ("fail", "fail"),
)


def plausible(rng: random.Random, messages: int) -> HistoryBuilder:
    """Return the history of a run without damage: people chat, one device comes and goes, a fault may strike."""
    builder = HistoryBuilder().online(*DEVICES)
    away = sorted(rng.uniform(2.0, PHASES["final"]) for _ in range(2))
    builder.lose("bob/phone", away[0])
    if rng.random() < 0.5:  # noqa: PLR2004 - an even chance
        builder.offline("bob/phone", away[0])
        builder.online("bob/phone", at_s=away[1])
    else:
        builder.connect("bob/phone", away[1])
    if rng.random() < 0.7:  # noqa: PLR2004 - mostly
        builder.fault("cut", from_s := rng.uniform(2.0, 15.0), from_s + rng.uniform(0.5, 4.0))
    stored = [message for number in range(messages) if (message := _chat(builder, rng, number, away)) is not None]
    builder.final_sync(*DEVICES)
    for person in ("alice", "bob", "carol"):
        own = [message for message in stored if person in (message.sender, message.recipient)]
        builder.archive([person], own, complete=rng.random() < 0.9)  # noqa: PLR2004 - now and then a reading breaks off
    return builder


def _chat(builder: HistoryBuilder, rng: random.Random, number: int, away: Sequence[float]) -> Message | None:
    """Send one message and let everybody have it; None when it was not stored."""
    device = rng.choice(DEVICES[:4])
    to = "bob" if device.startswith("alice") else "alice"
    answers = rng.choice(ANSWERS)
    at_s = 1.5 + number * 1.5 + rng.random()
    message = builder.send(str(number), at_s, device=device, to=to, answers=answers)
    if rng.random() < 0.2:  # noqa: PLR2004 - some clients mean to go on
        builder.add("client_retry_scheduled", message.answered_s, op=message.client_message_id, delay_ms=500)
    if set(answers) == {"fail"} or (answers == ("unknown",) and rng.random() < 0.5):  # noqa: PLR2004 - an even chance
        return None
    for other in DEVICES[:4]:
        if other != device:
            _arrive(builder, rng, message, other, away)
    return message


def _arrive(builder: HistoryBuilder, rng: random.Random, message: Message, device: str, away: Sequence[float]) -> None:
    came_s = message.answered_s + rng.uniform(0.001, 0.02)
    person = device.partition("/")[0]
    if device == "bob/phone" and away[0] <= came_s <= away[1]:
        came_s = away[1] + 0.1 + message.seq / 1000
        builder.sync(message, device, came_s, (None, "1"))
    else:
        builder.live(message, device, came_s)
    if person == message.sender:
        return
    builder.receipt("delivered", message, person, came_s + 0.03)
    if rng.random() < 0.5:  # noqa: PLR2004 - an even chance
        builder.read(message, device, came_s + 0.02)
        builder.receipt("read", message, person, came_s + 0.04)


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


_BLOWS: tuple[Blow, ...] = (_drop, _drop, _repeat, _move, _move, _alter, _alter, _invent, _page, _hold_up, _give_up)
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
)
_INVENTIONS = (
    ("client_message_id", "c-invented"),
    ("message_id", "s-invented"),
    ("body_digest", "body-invented"),
    ("device", "mallory/phone"),
    ("conversation_seq", 99),
    ("client_message_id", None),
)
