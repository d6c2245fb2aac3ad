"""What the scenario's workloads let the people do, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.clock import Clock
from harness.core.plan import (
    BlockWorkload,
    DirectWorkload,
    GroupWorkload,
    OfflineWorkload,
    ToDeviceWorkload,
    Workload,
)
from harness.core.seeds import Seed
from harness.drivers.api import Driver, Introductions
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent
from harness.swarm.blocks import block_in_time
from harness.swarm.generator import DirectChat, Generator, Lag
from harness.swarm.groups import GroupChat
from harness.swarm.to_device import ToDevices
from harness.workloads.direct import sends
from harness.workloads.group import turns
from harness.workloads.offline import Move, moves

Play = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Means:
    """What workloads are played with; ``salt`` sets runs apart on a service that remembers ids for ever."""

    driver: Driver
    recorder: Recorder
    seed: Seed
    salt: str
    sentences: Sequence[str]
    clock: Clock
    lag: Lag
    key: bytes


class Timetable:
    """Plays workloads on devices; a person writes and acts on their first one."""

    def __init__(self, workloads: Sequence[Workload], agents: Mapping[str, Agent], means: Means) -> None:
        self._workloads = workloads
        self._agents = agents
        self._means = means
        self._first: dict[str, Agent] = {}
        for agent in agents.values():
            self._first.setdefault(agent.device.person, agent)
        self._groups = {
            index: GroupChat(each, self._first, means.recorder, index=index, salt=means.salt)
            for index, each in enumerate(workloads)
            if isinstance(each, GroupWorkload)
        }

    async def prepare(self) -> None:
        """Make the conversations; raises ``EnvironmentFault`` when the service will not."""
        if isinstance(self._means.driver, Introductions):
            direct = [each for each in self._workloads if isinstance(each, DirectWorkload)]
            await self._means.driver.introduce([(each.sender, each.recipient) for each in direct])
        for group in self._groups.values():
            await group.create()

    def sending(self) -> Iterator[Play]:
        """What sends, from now on."""
        for index, workload in enumerate(self._workloads):
            match workload:
                case DirectWorkload():
                    yield self._direct(workload, index)
                case GroupWorkload():
                    yield self._group(workload, index)
                case ToDeviceWorkload():
                    yield self._to_device(workload, index)

    def moving(self) -> Iterator[Play]:
        """Absences, blocks and changes of membership, whose times count from now."""
        for index, workload in enumerate(self._workloads):
            match workload:
                case OfflineWorkload():
                    yield self._absence(moves(workload))
                case GroupWorkload():
                    yield self._groups[index].play_changes()
                case BlockWorkload():
                    yield block_in_time(workload, self._first, self._means.recorder)

    def _direct(self, workload: DirectWorkload, index: int) -> Play:
        with_ = self._means
        conversation = with_.driver.direct_conversation(workload.sender, workload.recipient)
        chat = DirectChat(self._first[workload.sender], conversation, workload.over)
        plan = sends(workload, seed=with_.seed, index=index, salt=with_.salt, sentences=with_.sentences)
        return Generator(plan, chat.post, clock=with_.clock, lag=with_.lag).play()

    def _to_device(self, workload: ToDeviceWorkload, index: int) -> Play:
        with_ = self._means
        devices = [name for name, agent in self._agents.items() if agent.device.person == workload.recipient]
        to = ToDevices(self._first[workload.sender], devices, with_.recorder, key=with_.key)
        written = DirectWorkload(workload.sender, workload.recipient, workload.rate_per_s)
        plan = sends(written, seed=with_.seed, index=index, salt=with_.salt, sentences=with_.sentences)
        return to.play(plan, with_.clock, with_.lag)

    def _group(self, workload: GroupWorkload, index: int) -> Play:
        with_ = self._means
        plan = turns(workload, seed=with_.seed, index=index, sentences=with_.sentences)
        return Generator(plan, self._groups[index].post, clock=with_.clock, lag=with_.lag).play()

    async def _absence(self, steps: tuple[Move, ...]) -> None:
        began = asyncio.get_running_loop().time()
        for step in steps:
            await asyncio.sleep(began + step.at_s - asyncio.get_running_loop().time())
            agent = self._agents[step.device]
            if step.kind == "leave":
                await agent.go_offline()
            else:
                agent.come_online()
