"""Plays an outbox or a whole device over scripted sessions, in virtual time, and returns what it recorded."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from harness.core.plan import Transport
from harness.core.seeds import Seed
from harness.drivers.api import Account, Closed, Credential, Delivered, Device, Outgoing, Session
from harness.drivers.naive import habits
from harness.drivers.outbox import Outbox
from harness.drivers.tokens import Tokens
from harness.history.recorder import Recorder
from harness.swarm.config import Route
from harness.swarm.device import DeviceAgent, World
from harness.testing.scripted import ScriptedDriver, ScriptedSession
from harness.testing.virtual_time import VirtualClock, run_virtual

Line = dict[str, Any]
OutboxScene = Callable[[Outbox], Awaitable[None]]
DeviceScene = Callable[[DeviceAgent], Awaitable[None]]

LOST = Closed(None, "connection_lost", clean=False)
"""How a session says that its connection broke."""
ALICES = Device("alice/phone", "alice", "ios", "1.0.0")
BOBS = Device("bob/phone", "bob", "ios", "1.0.0")


class PlayOutbox(Protocol):
    """Plays a scene with an outbox, of a naive client if it has defects, and returns the events that it recorded."""

    def __call__(self, wire: Wire, scene: OutboxScene, *, defects: Sequence[str] = ()) -> list[Line]:
        """Play."""
        ...


class PlayDevice(Protocol):
    """Plays a scene with bob's phone, naive if it has defects, and returns the events that it recorded."""

    def __call__(self, driver: ScriptedDriver, scene: DeviceScene, *, defects: Sequence[str] = ()) -> list[Line]:
        """Play."""
        ...


def to_bob(number: int = 1, conversation: str = "alice+bob") -> Outgoing:
    """Return a message that alice writes."""
    return Outgoing(f"c{number}", conversation, "bob", f"text {number}", 0)


def for_bob(number: int, sender: str = "alice") -> Delivered:
    """Return a message that reaches a device of bob."""
    return Delivered(f"m{number}", f"c{number}", "alice+bob", sender, f"text {number}", number)


def submit(*numbers: int) -> OutboxScene:
    """Return a scene in which some messages are written at once and all of them get settled."""

    async def scene(outbox: Outbox) -> None:
        for number in numbers:
            outbox.submit(to_bob(number), intended_ns=7)
        await asyncio.sleep(60)
        if outbox.pending:
            raise AssertionError(f"{outbox.pending} messages were not settled within a minute")

    return scene


def told(lines: Sequence[Line]) -> list[tuple[str, int | None, str | None]]:
    """Return the events in short."""
    return [(line["event"], line.get("attempt"), line.get("outcome")) for line in lines]


class Wire:
    """A line whose sessions are scripted: a dropped one is replaced a tenth of a second later."""

    def __init__(self, *sessions: ScriptedSession) -> None:
        self.left = deque(sessions)
        self.drops: list[str] = []
        self.current: ScriptedSession | None = self.left.popleft() if self.left else None

    def way(self, over: Transport) -> Session | None:
        """The session now in use, whatever goes over it."""
        del over
        return self.current

    async def up(self, over: Transport) -> Session:
        """Wait for the next scripted session."""
        del over
        if self.current is None:
            await asyncio.sleep(0.1)
            self.current = self.left.popleft() if self.left else ScriptedSession("later")
        return self.current

    async def drop(self, session: Session, reason: str) -> None:
        """Note why and end the session."""
        self.drops.append(reason)
        self.current = None
        await session.close(abrupt=True)


def play_outbox(folder: Path, wire: Wire, scene: OutboxScene, *, defects: Sequence[str] = ()) -> list[Line]:
    """Play a scene with the outbox of alice's phone and return the events, without logins; ``folder`` must be empty.

    Logins give the tokens ``token``, ``token-2`` and so on.
    """

    async def main() -> None:
        recorder = _recorder(folder)
        async with asyncio.TaskGroup() as tasks:
            client, rng = habits(defects), random.Random(1)  # noqa: S311 - no secret
            common: dict[str, Any] = {"key": b"key", "rng": rng, "spawn": tasks.create_task, "habits": client}
            tokens = Tokens(ALICES, _logins(), recorder, link="client->auth", **common)
            tokens.start()
            await tokens.good()
            outbox = Outbox(ALICES, wire, tokens, recorder, link="client->chat", **common)
            await scene(outbox)
            outbox.give_up()
        recorder.close()

    run_virtual(main())
    return [line for line in _lines(folder) if line["event"] != "token_issued"]


def play_device(folder: Path, driver: ScriptedDriver, scene: DeviceScene, *, defects: Sequence[str] = ()) -> list[Line]:
    """Play a scene with bob's phone and return the events; ``folder`` must be empty."""

    async def main() -> None:
        recorder = _recorder(folder)
        async with asyncio.TaskGroup() as tasks:
            world = World(driver, recorder, Seed(1), b"key", VirtualClock(), tasks.create_task, habits(defects))
            agent = DeviceAgent(BOBS, Account("bob", "bob", "secret-word"), Route("c", "a", "client->chat"), world)
            await scene(agent)
            agent.outbox.give_up()
            await agent.leave()
        recorder.close()

    run_virtual(main())
    return _lines(folder)


def events_of(lines: Sequence[Line], *names: str) -> list[Line]:
    """Return the events of these names."""
    return [line for line in lines if line["event"] in names]


def _recorder(folder: Path) -> Recorder:
    return Recorder(folder, run="r", role="swarm", observer="client", clock=VirtualClock())


def _logins() -> Callable[[], Awaitable[Credential]]:
    numbers = count(1)

    async def login() -> Credential:
        number = next(numbers)
        return Credential("token" if number == 1 else f"token-{number}")

    return login


def _lines(folder: Path) -> list[Line]:
    lines = [json.loads(line) for file in folder.iterdir() for line in file.read_text().splitlines()]
    return [line for line in lines if line["event"] != "writer_closed"]
