"""Sends messages on a timetable, open loop: a slow service never makes the people write less."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from harness.core.plan import DirectWorkload
from harness.core.seeds import Seed
from harness.drivers.api import Driver, Outgoing
from harness.swarm.device import DeviceAgent
from harness.workloads.direct import Send, sends

NS_PER_S = 1_000_000_000


class Lag:
    """How late messages left, as opposed to their timetable: the generator's own fault, not the service's."""

    def __init__(self) -> None:
        self._worst_ns = 0

    def note(self, late_ns: int) -> None:
        """Take one message's lateness."""
        self._worst_ns = max(self._worst_ns, late_ns)

    @property
    def worst_ms(self) -> float:
        """The worst since the last ``take_ms``, in milliseconds."""
        return round(self._worst_ns / 1e6, 3)

    def take_ms(self) -> float:
        """Return the worst and start anew."""
        worst = self.worst_ms
        self._worst_ns = 0
        return worst


class Generator:
    """Plays one direct workload from one device until it is cancelled."""

    def __init__(
        self,
        workload: DirectWorkload,
        agent: DeviceAgent,
        *,
        index: int,
        salt: str,
        seed: Seed,
        sentences: Sequence[str],
        driver: Driver,
        lag: Lag,
    ) -> None:
        self._outbox = agent.outbox
        self._clock = agent.clock
        self._lag = lag
        self._conversation = driver.direct_conversation(workload.sender, workload.recipient)
        self._plan: Iterator[Send] = sends(workload, seed=seed, index=index, salt=salt, sentences=sentences)

    async def play(self) -> None:
        """Send what is due when it is due; what is late is sent at once and its lateness noted."""
        began_ns = self._clock.mono_ns()
        for send in self._plan:
            due_ns = began_ns + round(send.due_s * NS_PER_S)
            # Sleeps even when late: people who write a lot must not keep the others from being served.
            await asyncio.sleep(max(0, due_ns - self._clock.mono_ns()) / NS_PER_S)
            self._lag.note(self._clock.mono_ns() - due_ns)
            self._outbox.submit(self._message(send), intended_ns=due_ns)

    def _message(self, send: Send) -> Outgoing:
        return Outgoing(
            client_message_id=send.client_message_id,
            conversation_id=self._conversation,
            recipient=send.recipient,
            body=send.body,
            client_time_ns=self._clock.wall_ns(),
        )
