"""Sends messages on a timetable, open loop: a slow service never makes the people write less."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from harness.core.clock import Clock
from harness.core.events import Scalar
from harness.core.plan import Transport
from harness.drivers.api import Outgoing
from harness.swarm.agent import Agent
from harness.swarm.histogram import Histogram
from harness.workloads.direct import Send

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
IN_A_ROW = 16
"""Posted without a pause when they are late: people who write a lot must not keep the others from being served, nor a
loop that is busy the late ones from leaving."""


class Due(Protocol):
    """Something of a plan that is due so many seconds after its beginning."""

    @property
    def due_s(self) -> float:
        """Seconds after the beginning."""
        ...


D = TypeVar("D", bound=Due)


class Lag:
    """How late messages left, as opposed to their timetable: the generator's own fault, not the service's."""

    def __init__(self) -> None:
        self._late = Histogram()

    def note(self, late_ns: int) -> None:
        """Take one message's lateness."""
        self._late.note(late_ns / NS_PER_MS)

    @property
    def worst_ms(self) -> float:
        """The worst since the last ``take``, in milliseconds."""
        return round(self._late.longest_ms, 3)

    def take(self) -> dict[str, Scalar]:
        """Return what a ``generator_lag`` event tells of the time since the last one, and start anew."""
        late, self._late = self._late, Histogram()
        return {
            "max_lag_ms": round(late.longest_ms, 3),
            "p99_lag_ms": late.percentile(0.99),
            "sends": len(late),
            "lags": late.text(),
        }


class Generator(Generic[D]):
    """Hands what a plan holds to ``post`` when it is due (monotonic), until it is cancelled."""

    def __init__(self, plan: Iterable[D], post: Callable[[D, int], None], *, clock: Clock, lag: Lag) -> None:
        self._plan = plan
        self._post = post
        self._clock = clock
        self._lag = lag

    async def play(self) -> None:
        """Post what is due when it is due; what is late is posted at once and its lateness noted."""
        began_ns = self._clock.mono_ns()
        in_a_row = 0
        for item in self._plan:
            due_ns = began_ns + round(item.due_s * NS_PER_S)
            early_ns = due_ns - self._clock.mono_ns()
            in_a_row += 1
            if early_ns > 0 or in_a_row > IN_A_ROW:
                await asyncio.sleep(max(0, early_ns) / NS_PER_S)
                in_a_row = 0
            self._lag.note(self._clock.mono_ns() - due_ns)
            self._post(item, due_ns)


class DirectChat:
    """One person's messages to another, written on one device."""

    def __init__(self, agent: Agent, conversation: str, over: Transport) -> None:
        self._agent = agent
        self._conversation = conversation
        self._over: Transport = over

    def post(self, send: Send, due_ns: int) -> None:
        """Write one."""
        message = Outgoing(
            client_message_id=send.client_message_id,
            conversation_id=self._conversation,
            recipient=send.recipient,
            body=send.body,
            client_time_ns=self._agent.clock.wall_ns(),
            over=self._over,
        )
        self._agent.outbox.submit(message, intended_ns=due_ns)
