"""Our own load side against the server of the benchmark: ``load_ours.py WAY PORT PEOPLE``, until it is ended.

``driver``: the reference driver alone; everybody sends the next message when the last one is acknowledged. ``full``:
the same people as a run has them, with outbox, recorder, tally and the rest of a device. ``idle``: such people who are
connected and say nothing; writes one line of JSON with the memory that each of them took (kB), and ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any

from harness.core.clock import SystemClock
from harness.core.events import Event
from harness.core.seeds import Seed
from harness.drivers.api import Accepted, Account, Credential, Device, Endpoint, Outgoing, Refused, Session, Unknown
from harness.drivers.habits import Unhurried
from harness.drivers.reference.driver import ReferenceDriver
from harness.history.recorder import Recorder
from harness.swarm.config import Route
from harness.swarm.device import DeviceAgent, World
from harness.swarm.loop import make_loop
from harness.swarm.process import COLLECTED_AFTER
from harness.swarm.tally import Tally
from harness.swarm.watches import Watches

TEXT = "Shall we meet at the station at seven, or would you rather walk? (12.3456)"
IDLE_S = 3.0
DIALS_AT_ONCE = 64
CLOCK = SystemClock()


class Admitted(ReferenceDriver):
    """The reference driver with a service that lets everybody in: there is no log-in to make."""

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential:  # noqa: ARG002 - as it is asked
        """Hand out a token."""
        return Credential(f"token-of-{account.user}")


def device(number: int) -> Device:
    """One person's phone."""
    return Device(f"p{number:04d}/phone", f"p{number:04d}", "android", "1.0.0")


def outgoing(sender: str, number: int) -> Outgoing:
    """One message."""
    return Outgoing(f"{sender}-{number:06d}-abc123", f"d:{sender}:other", "other", TEXT, CLOCK.wall_ns())


async def driver_only(at: Endpoint, people: int) -> None:
    """Everybody sends as fast as they are answered."""
    driver = Admitted()
    driver.ping_every(people / 100)
    sessions = [await connected(driver, device(number), at) for number in range(people)]
    async with asyncio.TaskGroup() as all_of_them:
        for number, session in enumerate(sessions):
            all_of_them.create_task(chat(session, f"p{number:04d}"))


async def connected(driver: ReferenceDriver, phone: Device, at: Endpoint) -> Session:
    """Open one session; it must work."""
    account = Account(phone.person, phone.person, "")
    session = await driver.connect(account, phone, at, clock=CLOCK)
    if isinstance(session, Refused | Unknown):
        raise SystemExit(f"not connected: {session}")
    return session


async def chat(session: Session, sender: str) -> None:
    """Send without end; anything but an acknowledgement would make the figures worthless."""
    for number in count(1):
        outcome = await session.send(outgoing(sender, number), attempt=1)
        if not isinstance(outcome, Accepted):
            raise SystemExit(f"not acknowledged: {outcome}")


class Crowd:
    """People as a run has them, with what listens to their events in a load run."""

    def __init__(self, folder: Path, people: int, at: Endpoint) -> None:
        self.recorder = Recorder(folder, run="bench", role="swarm", observer="client")
        self.recorder.phase = "baseline"
        self.recorder.subscribe(Watches(lambda *_: None).see)
        self.recorder.subscribe(Tally(CLOCK).see)
        self._tasks: set[asyncio.Task[None]] = set()
        driver, seed = Admitted(), Seed(1)
        driver.ping_every(people / 100)
        gate = asyncio.Semaphore(DIALS_AT_ONCE)
        world = World(driver, self.recorder, seed, b"key" * 8, CLOCK, self._spawn, Unhurried(), gate)
        phones = [device(number) for number in range(people)]
        self.agents = {
            phone.id: DeviceAgent(phone, Account(phone.person, phone.person, ""), route(at), world) for phone in phones
        }

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        return task

    async def online(self) -> None:
        """Bring everybody online and wait until they have caught up."""
        for agent in self.agents.values():
            agent.come_online()
        for agent in self.agents.values():
            await agent.follow_to_end()


def route(at: Endpoint) -> Route:
    """Everything at one address."""
    return Route(chat=at.chat, auth=at.auth, link="client->chat")


async def full(at: Endpoint, people: int, folder: Path) -> None:
    """Everybody sends the next message when the last one is on record as accepted."""
    crowd = Crowd(folder, people, at)
    await crowd.online()
    numbers = dict.fromkeys(crowd.agents, 0)

    def next_one(fact: Event) -> None:
        if fact.event == "server_accepted":
            say(str(fact.device))

    def say(name: str) -> None:
        numbers[name] += 1
        agent = crowd.agents[name]
        agent.outbox.submit(outgoing(agent.device.person, numbers[name]), intended_ns=CLOCK.mono_ns())

    crowd.recorder.subscribe(next_one)
    for name in crowd.agents:
        say(name)
    await asyncio.Event().wait()


async def idle(at: Endpoint, people: int, folder: Path) -> None:
    """Connect everybody and say what they have taken."""
    warm = Crowd(folder / "warm", 10, at)
    await warm.online()
    gc.collect()
    before = resident_kb()
    crowd = Crowd(folder, people, at)
    await crowd.online()
    await asyncio.sleep(IDLE_S)
    sys.stdout.write(json.dumps({"kb": (resident_kb() - before) / len(crowd.agents)}) + "\n")
    sys.stdout.flush()


def resident_kb() -> int:
    """The memory that this process has now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def play(way: str, port: int, people: int) -> None:
    """Play one way."""
    at = Endpoint(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}")
    if way == "driver":
        await driver_only(at, people)
        return
    ways: dict[str, Callable[[Endpoint, int, Path], Coroutine[Any, Any, None]]] = {"full": full, "idle": idle}
    with tempfile.TemporaryDirectory() as folder:
        await ways[way](at, people, Path(folder) / "events")


if __name__ == "__main__":
    gc.set_threshold(*COLLECTED_AFTER)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(play(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
