"""Faults start when due and end last in, first out; what goes wrong is said, not hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from harness.core.events import Event
from harness.core.plan import FaultPlan, Start
from harness.core.results import FaultResult
from harness.engine.act import Stage
from harness.engine.bypass import BypassWatch
from harness.engine.conductor import Conductor
from harness.history.recorder import Recorder
from harness.stacks.journal import Journal, outstanding
from harness.testing.fakes import FakePeople, FakeStack, fake_stack

ALICE, ALL = "client:alice->chat", "client->chat"


class Told:
    """Triggers that fire when the test says so."""

    def __init__(self) -> None:
        self.fired = asyncio.Event()

    async def watch(self, event: str, *, of: str | None, nth: int) -> asyncio.Event:
        """Return the one event there is."""
        del event, of, nth
        return self.fired


class Scene:
    """A conductor over a fake stack, and what it recorded and told."""

    def __init__(self, folder: Path, *plans: FaultPlan, stack: FakeStack | None = None) -> None:
        self.stack = stack or fake_stack(ALL, ALICE)
        self.told: list[FaultResult] = []
        self.triggers = Told()
        self.journal = folder / "journal.jsonl"
        self._recorder = Recorder(folder / "events", run="r", role="engine", observer="engine")
        stage = Stage(
            self.stack, FakePeople(), self._recorder, Journal(self.journal), BypassWatch(self.stack), self.told.append
        )
        self.conductor = Conductor(plans, stage, self.triggers)

    def recorded(self) -> list[tuple[str, str | None]]:
        """Events and fault ids in order."""
        lines = self._recorder.path.read_bytes().splitlines()
        events = [msgspec.json.decode(line, type=Event) for line in lines]
        return [(event.event.removeprefix("fault_"), event.fault) for event in events]


def fault(name: str, start: Start, *, for_s: float | None = None, target: str = ALL) -> FaultPlan:
    """A planned cut."""
    return FaultPlan(name, "network.down", target, start, for_s)


async def settled() -> None:
    """Wait until whoever has something to do now has done it: with one thread, what follows in it comes last."""
    for _ in range(20):
        await asyncio.to_thread(int)


def conduct(scene: Callable[[], Scene], *steps: Callable[[Scene], None]) -> Scene:
    """Arm, do the steps, each once all that is due has happened, and heal."""

    async def live() -> Scene:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        made = scene()
        await made.conductor.arm()
        for step in steps:
            await settled()
            step(made)
        await settled()
        await made.conductor.heal()
        return made

    return asyncio.run(live())


def test_a_fault_without_a_length_lasts_until_heal(tmp_path: Path) -> None:
    """It is in place when the observation ends, and gone after heal."""
    seen: list[bool] = []
    scene = conduct(
        lambda: Scene(tmp_path, fault("cut", Start(at_s=0.0))),
        lambda made: seen.append(made.stack.link(ALL).enabled),
    )
    assert seen == [False]
    assert scene.stack.link(ALL).enabled
    assert scene.recorded() == [("commanded", "cut"), ("installed", "cut"), ("healed", "cut")]


def test_faults_end_last_in_first_out(tmp_path: Path) -> None:
    """Of two that last until heal, the later one is undone first."""
    plans = fault("first", Start(at_s=0.0)), fault("second", Start(with_fault="first"), target=ALICE)
    scene = conduct(lambda: Scene(tmp_path, *plans), lambda _: None)
    assert [name for event, name in scene.recorded() if event == "healed"] == ["second", "first"]


def test_a_fault_waits_for_its_event(tmp_path: Path) -> None:
    """Nothing happens before the nth event is told."""
    before: list[bool] = []
    scene = conduct(
        lambda: Scene(tmp_path, fault("cut", Start(after="server_accepted", nth=3))),
        lambda made: before.append(made.stack.link(ALL).enabled),
        lambda made: made.triggers.fired.set(),
    )
    assert before == [True]
    assert ("installed", "cut") in scene.recorded()


def test_a_trigger_that_never_comes_leaves_no_trace(tmp_path: Path) -> None:
    """The fault is not commanded, so the judge finds it missing."""
    scene = conduct(lambda: Scene(tmp_path, fault("cut", Start(after="server_accepted", nth=99))))
    assert scene.recorded() == []
    assert outstanding(scene.journal) == []


def test_the_journal_knows_what_is_in_place(tmp_path: Path) -> None:
    """While a fault is in force a stranger could undo it; afterwards nothing is left to do."""
    during: list[int] = []
    scene = conduct(
        lambda: Scene(tmp_path, fault("cut", Start(at_s=0.0))),
        lambda made: during.append(len(outstanding(made.journal))),
    )
    assert during == [2]
    assert outstanding(scene.journal) == []


def test_a_heal_that_does_not_take_stays_outstanding(tmp_path: Path) -> None:
    """With the proxy gone nothing is called healed, and the journal keeps the undo."""

    def kill(made: Scene) -> None:
        made.stack.link(ALL).dead = True

    scene = conduct(lambda: Scene(tmp_path, fault("cut", Start(at_s=0.0))), kill)
    assert [event for event, _ in scene.recorded()] == ["commanded", "installed"]
    assert scene.told[-1].gap == "not_healed"
    assert len(outstanding(scene.journal)) == 2


def test_a_dead_proxy_at_the_start_is_not_commanded(tmp_path: Path) -> None:
    """A command that nobody took is not recorded as given."""
    stack = fake_stack(ALL)
    stack.link(ALL).dead = True
    scene = conduct(lambda: Scene(tmp_path, fault("cut", Start(at_s=0.0)), stack=stack), lambda _: None)
    assert scene.told[0].gap == "not_commanded"
    assert scene.recorded() == []


def test_connections_round_the_proxy_are_seen_when_they_stay() -> None:
    """One look may be a race; two in a row are a finding, for every link to that service."""
    stack = fake_stack(ALL)
    watch = BypassWatch(stack)
    stack.around = 2
    asyncio.run(watch.look())
    assert watch.seen(ALL) == 0
    asyncio.run(watch.look())
    assert watch.seen(ALICE) == 2
