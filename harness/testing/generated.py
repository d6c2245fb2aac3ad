"""Histories drawn from chance: the run of a service that behaves, for testing checks (``blows`` damages it)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.core.events import Outcome
from harness.testing.histories import HistoryBuilder, Message

DEVICES = ("alice/phone", "alice/laptop", "bob/phone", "bob/tablet", "carol/phone")
GROUP = "g:1"
ANSWERS: tuple[tuple[Outcome, ...], ...] = (
    ("ok",),
    ("ok",),
    ("unknown", "ok"),
    ("fail", "ok"),
    ("unknown",),
    ("fail",),
    ("fail", "fail"),
)
KEPT: tuple[tuple[Outcome, ...], ...] = (("ok",), ("unknown", "ok"))
PUSHES = (("accepted",), ("server_error", "accepted"), ("throttled", "accepted"), ("server_error", "hang", "accepted"))


@dataclass(slots=True)
class _World:
    """What is going on around the messages, drawn once: each span is (begun, confirmed) in seconds."""

    rng: random.Random
    builder: HistoryBuilder
    away: tuple[float, float]
    left: bool
    joined: tuple[float, float]
    quit: tuple[float, float]
    blocked: tuple[float, float]
    kept: list[tuple[Message, frozenset[str]]] = field(default_factory=list)
    push_gone: bool = False

    def chance(self, share: float) -> bool:
        """Draw whether something happens that does so in this share of cases."""
        return self.rng.random() < share

    def audience(self, message: Message) -> frozenset[str]:
        """Who gets a message; a change takes effect in the middle of its span, a message just before its answer."""
        if message.recipient is not None:
            return frozenset((message.sender, message.recipient))
        stored_s = message.answered_s - 0.005
        inside = _middle(self.joined) <= stored_s < _middle(self.quit)
        hidden = message.sender == "alice" and stored_s >= _middle(self.blocked)
        return frozenset(("alice", "bob", *(("carol",) if inside and not hidden else ())))


def plausible(rng: random.Random, messages: int) -> HistoryBuilder:
    """Return the history of a run without damage: people chat, come and go, and meet faults of all kinds."""
    world = _world(rng)
    builder = world.builder
    stored = [_chat(world, number) for number in range(messages)]
    world.kept += [(message, world.audience(message)) for message in stored if message is not None]
    builder.final_sync(*DEVICES)
    for person in ("alice", "bob", "carol"):
        own = [message for message, people in world.kept if person in people]
        builder.archive([person], own, complete=world.chance(0.9))
    return builder


def plausible_keys(rng: random.Random, messages: int) -> HistoryBuilder:
    """Return the history of messages to single devices without damage: some come again before they are confirmed."""
    world = _world(rng)
    builder = world.builder.final_sync(*DEVICES)
    for number in range(messages):
        to, at_s = rng.choice(DEVICES[2:]), 1.5 + number * 1.5 + rng.random()
        answers = rng.choice(KEPT)
        came_s = at_s + 0.5 * len(answers)
        if to == "bob/phone" and world.away[0] <= came_s <= world.away[1]:
            came_s = world.away[1] + 0.1
        builder.to_device(str(number), at_s, to, answers=answers).for_device(str(number), to, came_s)
        if world.chance(0.3):
            builder.for_device(str(number), to, came_s + 0.1, via="sync")
        builder.confirmed(str(number), to, came_s + 0.3)
    return builder


def _world(rng: random.Random) -> _World:
    builder = HistoryBuilder().online(*DEVICES).group(GROUP, "alice", "bob")
    left_s = rng.uniform(2.0, 12.0)
    spans = [(at_s, at_s + rng.choice((0.004, 0.3))) for at_s in sorted(rng.uniform(1.5, 20.0) for _ in range(3))]
    world = _World(
        rng=rng,
        builder=builder,
        away=(left_s, left_s + rng.uniform(2.0, 25.0)),
        left=rng.random() < 0.7,  # noqa: PLR2004 - mostly
        joined=spans[0],
        quit=spans[1],
        blocked=spans[2],
    )
    builder.push_token("bob/phone", 0.2)
    for device in DEVICES:
        builder.token(device, f"{device}-1", 0.1, detail={"expires_in_s": 3600.0})
    _come_and_go(world)
    builder.change("join", "carol", "carol", *world.joined, GROUP).change("leave", "carol", "carol", *world.quit, GROUP)
    builder.change("block", "carol", "alice", *world.blocked)
    if world.chance(0.7):
        builder.fault("cut", from_s := rng.uniform(2.0, 15.0), from_s + rng.uniform(0.5, 4.0))
    if world.chance(0.5):
        _lower(world, rng.uniform(2.0, 6.0))
    if world.chance(0.5):
        builder.set_clock("alice/laptop", rng.choice((-300.0, 300.0)))
    return world


def _come_and_go(world: _World) -> None:
    builder, (from_s, to_s) = world.builder, world.away
    builder.lose("bob/phone", from_s)
    if world.left:
        builder.offline("bob/phone", from_s)
        builder.online("bob/phone", at_s=to_s)
    else:
        builder.connect("bob/phone", to_s)


def _lower(world: _World, from_s: float) -> None:
    """People may write one message a second for a while; somebody who wrote two at once is told so."""
    facts = {"fault": "tight", "service": "chat", "observer": "engine"}
    builder, detail = world.builder, {"kind": "rate_limit.lower", "per_user": 1.0}
    builder.add("fault_commanded", from_s, detail=detail, **facts)
    builder.add("fault_installed", from_s + 0.01, detail=detail, **facts)
    builder.add("fault_healed", from_s + 8.0, detail={"kind": "rate_limit.lower"}, **facts)
    message = builder.send("quick", from_s + 0.5, device="bob/tablet", to="alice", conversation="c2")
    refused = builder.send("refused", from_s + 0.6, device="bob/tablet", to="alice", conversation="c2", answers=(None,))
    wait_ms = world.rng.choice((300, 1000))
    builder.refuse(refused, from_s + 0.61, http_status=429, error_code="rate_limited", retry_after_ms=wait_ms)
    builder.attempt(refused, 2, from_s + 0.7 + wait_ms / 1000, "ok")
    for each, came_s in ((message, from_s + 0.52), (refused, from_s + 0.75 + wait_ms / 1000)):
        world.kept.append((each, frozenset(("alice", "bob"))))
        for device in ("alice/phone", "alice/laptop", "bob/phone"):
            _arrive(world, each, device, came_s)


def _chat(world: _World, number: int) -> Message | None:
    """Send one message and let everybody have it; None when it was not stored."""
    rng, builder = world.rng, world.builder
    device, at_s = rng.choice(DEVICES[:4]), 1.5 + number * 1.5 + rng.random()
    answers = rng.choice(ANSWERS)
    if world.chance(0.3):
        message = builder.send(str(number), at_s, device=device, to=None, conversation=GROUP, answers=answers)
    else:
        to = "bob" if device.startswith("alice") else "alice"
        message = builder.send(str(number), at_s, device=device, to=to, answers=answers)
    if world.chance(0.2):
        builder.add("client_retry_scheduled", message.answered_s, op=message.client_message_id, delay_ms=500)
    if world.chance(0.2):
        _renew(world, "alice", number, at_s + 0.6)
    if set(answers) == {"fail"} or (answers == ("unknown",) and world.chance(0.5)):
        return None
    for other in DEVICES:
        if other != device and other.partition("/")[0] in world.audience(message):
            _arrive(world, message, other, message.answered_s + rng.uniform(0.001, 0.02))
    return message


def _renew(world: _World, person: str, number: int, at_s: float) -> None:
    """The tokens of a person end, and each device gets another one."""
    builder, rng = world.builder, world.rng
    if world.chance(0.5):
        builder.end_tokens(person, at_s - 0.02, at_s - 0.01)
    for device in (one for one in DEVICES if one.startswith(person)):
        builder.add("token_refresh_started", at_s, device=device, attempt=1)
        if again := world.chance(0.3):
            builder.add("token_refresh_failed", at_s + 0.1, device=device, attempt=1)
            builder.add("token_refresh_started", at_s + 0.2, device=device, attempt=2)
        got_s = at_s + rng.uniform(0.01, 0.2) + (0.2 if again else 0.0)
        builder.token(device, f"{device}-{number + 2}", got_s, event="token_refreshed")


def _arrive(world: _World, message: Message, device: str, came_s: float) -> None:
    builder = world.builder
    person = device.partition("/")[0]
    if device == "bob/phone" and world.away[0] <= came_s <= world.away[1]:
        if world.left and person != message.sender:
            _notify(world, message, device, came_s)
        came_s = world.away[1] + 0.1 + message.seq / 1000
        builder.sync(message, device, came_s, (None, "1"))
    else:
        builder.live(message, device, came_s)
    if person == message.sender:
        return
    builder.receipt("delivered", message, person, came_s + 0.03)
    if world.chance(0.5):
        builder.read(message, device, came_s + 0.02)
        builder.receipt("read", message, person, came_s + 0.04)


def _notify(world: _World, message: Message, device: str, at_s: float) -> None:
    """The provider is asked until it takes the push; one day it says that the token is gone."""
    if world.push_gone:
        return
    if world.chance(0.1):
        world.push_gone = True
        world.builder.push(message, device, at_s, "unregistered")
        return
    wait_s = 0.2
    for answer in world.rng.choice(PUSHES):
        throttled = answer == "throttled"
        world.builder.push(message, device, at_s, answer, retry_after_ms=1000 if throttled else None)
        at_s += (1.0 if throttled else 0.0) + wait_s * world.rng.uniform(0.8, 1.0)
        wait_s *= 2


def _middle(span: Sequence[float]) -> float:
    return (span[0] + span[1]) / 2
