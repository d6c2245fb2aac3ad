"""People who join one by one in the middle of a run, and are told what becomes of what they write."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import EnvironmentFault, UsageError
from harness.core.events import Event
from harness.drivers.api import Delivered, Device, Driver, Introductions, Outgoing, Person
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent

DEVICE = "phone"
NS_PER_MS = 1_000_000
NO_ANSWER = "no_answer_yet"
"""Error code of a message that is still on its way when its sender waits no longer."""

Admit = Callable[[Person], Awaitable[Agent]]
Answer = dict[str, Any]


def heard(device: Device, item: Delivered) -> Answer:
    """Return a message that reached a guest as plain data."""
    return {
        "person": device.person,
        "sender": item.sender,
        "text": item.body,
        "message_id": item.message_id,
        "conversation_id": item.conversation_id,
    }


@dataclass(slots=True)
class _Sent:
    """A message on its way, whose sender waits for ``settled``."""

    began_ns: int
    settled: asyncio.Future[Answer]
    attempts: int = 0


class Guests:
    """Whoever joined; each has one device, and their outbox sends as any other does."""

    def __init__(self, admit: Admit, driver: Driver, recorder: Recorder, *, salt: str, clock: Clock) -> None:
        self._admit = admit
        self._driver = driver
        self._recorder = recorder
        self._salt = salt
        self._clock = clock
        self._numbers = itertools.count(1)
        self._agents: dict[str, Agent] = {}
        self._sent: dict[str, _Sent] = {}
        self._introduced: set[frozenset[str]] = set()

    async def join(self, person: str, within_s: float) -> None:
        """Bring somebody online, with a new account when they come for the first time.

        Raises ``EnvironmentFault`` when they are not connected and synced in time.
        """
        if not self._agents:
            self._recorder.subscribe(self._see)
        try:
            async with asyncio.timeout(within_s):
                if person not in self._agents:
                    device = Device(f"{person}/{DEVICE}", person, "android", "1.0.0")
                    self._agents[person] = await self._admit(Person(person, person, (device,)))
                await self._agents[person].follow_to_end()
        except TimeoutError:
            why = self._agents[person].last_error if person in self._agents else "there was no account in time"
            raise EnvironmentFault(
                f"{person} was not connected within {within_s:g} s: {why}",
                hint="see that the chat service runs at the address that was given",
            ) from None

    async def write(self, person: str, to: str, body: str, within_s: float) -> Answer:
        """Write one message and wait until it is accepted, finally failed, or the time is over.

        The answer has ``accepted``, ``client_message_id``, ``attempts``, ``ms`` since the writing and, when known,
        ``message_id`` and ``error_code``.
        """
        agent = self._guest(person)
        await self._introduce(person, to)
        name = f"{person}-{next(self._numbers):06d}-{self._salt}"
        began_ns = self._clock.mono_ns()
        sent = self._sent[name] = _Sent(began_ns, asyncio.get_running_loop().create_future())
        message = Outgoing(
            client_message_id=name,
            conversation_id=self._driver.direct_conversation(person, to),
            recipient=to,
            body=body,
            client_time_ns=agent.clock.wall_ns(),
        )
        agent.outbox.submit(message, intended_ns=began_ns)
        try:
            async with asyncio.timeout(within_s):
                return await sent.settled
        except TimeoutError:
            return _settled(name, sent, self._clock.mono_ns(), accepted=False, error_code=NO_ANSWER)
        finally:
            del self._sent[name]

    async def catch_up(self, person: str, within_s: float) -> bool:
        """Let somebody fetch all that there is for them; False when the connection did not carry that far in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._guest(person).follow_to_end()
        except TimeoutError:
            return False
        return True

    def _guest(self, person: str) -> Agent:
        if person not in self._agents:
            raise UsageError(f"nobody called {person!r} has joined")
        return self._agents[person]

    async def _introduce(self, person: str, to: str) -> None:
        """Some services let only those write who know each other."""
        self._guest(to)
        pair = frozenset({person, to})
        if pair not in self._introduced and isinstance(self._driver, Introductions):
            await self._driver.introduce([(person, to)])
        self._introduced.add(pair)

    def _see(self, fact: Event) -> None:
        sent = self._sent.get(fact.op or "")
        if sent is None or sent.settled.done():
            return
        match fact.event:
            case "client_send_started":
                sent.attempts = fact.attempt or sent.attempts
            case "server_accepted":
                sent.settled.set_result(
                    _settled(str(fact.op), sent, fact.mono_ns, accepted=True, message_id=fact.message_id)
                )
            case "client_send_failed" if fact.detail and fact.detail.get("final"):
                sent.settled.set_result(
                    _settled(str(fact.op), sent, fact.mono_ns, accepted=False, error_code=fact.error_code)
                )


def _settled(name: str, sent: _Sent, mono_ns: int, **facts: Any) -> Answer:
    ms = (mono_ns - sent.began_ns) / NS_PER_MS
    return {"client_message_id": name, "attempts": sent.attempts, "ms": ms, **facts}
