"""The run of one test in Python: its people, its faults and its history, as the engine would have them."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import pytest

from harness import __version__
from harness.core.digests import canary
from harness.core.errors import EnvironmentFault, UsageError
from harness.core.events import Phase
from harness.core.ids import new_run_id
from harness.core.plan import FaultPlan, ScenarioPlan
from harness.core.results import FaultResult, Reason, RunResult
from harness.core.stack import promises_as_data
from harness.engine.act import Stage
from harness.engine.bypass import BypassWatch
from harness.engine.defects import as_played
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.judge import judge_folder
from harness.engine.people import configuration, playing, spawn_swarm
from harness.engine.proxying import caveats
from harness.engine.session import unsupported
from harness.engine.vigil import Died, reason_of, vigil
from harness.faults.api import People
from harness.history.recorder import Recorder
from harness.proxy.api import ProxyUnavailable
from harness.pytest_plugin.live.edges import with_edges
from harness.pytest_plugin.live.host import Host
from harness.pytest_plugin.live.injection import Injection, Nobody
from harness.pytest_plugin.live.names import resolved_fault
from harness.pytest_plugin.live.others import log_sizes, take_over, take_over_logs
from harness.pytest_plugin.live.plans import Place, plan_of
from harness.pytest_plugin.live.said import Said, settle
from harness.stacks.api import Stack
from harness.stacks.journal import Journal
from harness.swarm.control import SwarmClient

CONNECT_WITHIN_S = 30.0
FINAL_WITHIN_S = 20.0
ORACLE_WITHIN_S = 30.0
RECOVER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Which test this is and the command that runs it again."""

    place: Place
    again: str


class LiveRun:
    """One test's run; every method is called in the portal's loop."""

    def __init__(self, host: Host, identity: Identity, undo: AsyncExitStack, journal: Journal) -> None:
        self.host = host
        self.identity = identity
        self.run = new_run_id(identity.place.name, host.options.worker)
        self.folder = RunFolder.create(host.options.out, self.run)
        self.names: dict[str, str] = {}
        """What the test calls a person, and who that is on the stack."""
        self.injections: list[Injection] = []
        self.said: list[Said] = []
        self.over = False
        self._undo = undo
        self._journal = journal
        self._stack: Stack = host.stack
        self._began_ns = time.monotonic_ns()
        self._logged = log_sizes(host.stack.logs)
        self._canary = canary(bytes.fromhex(host.key) + self.run.encode())
        self._swarm: SwarmClient | None = None
        self._called: dict[str, tuple[str, ...]] = {}
        self._trouble: list[Reason] = []
        self._recorder = Recorder(self.folder.events, run=self.run, role="engine", observer="engine")
        self._bypass = BypassWatch(host.stack)

    @property
    def stack(self) -> Stack:
        """The stack with the edges of this test's people."""
        return self._stack

    @property
    def swarm(self) -> SwarmClient:
        """The process that plays the people; raises ``UsageError`` when nobody was asked for, or after the end."""
        if self._swarm is None:
            raise UsageError("nobody is connected", hint="alice, bob = chaos_people('alice', 'bob')")
        if self.over:
            raise UsageError(
                "the conversation is over: the first chaos_history.check() ends it", hint="check at the end of the test"
            )
        return self._swarm

    async def connect(self, people: Mapping[str, Sequence[str]]) -> None:
        """Bring people to life and wait until all their devices are connected."""
        if self._swarm is not None:
            raise UsageError("chaos_people was called before", hint="name everybody in one call")
        self.names = {name: self.host.person(name) for name in people}
        self._called = {name: tuple(devices) for name, devices in people.items()}
        actual = {self.names[name]: devices for name, devices in self._called.items()}
        plan = plan_of(self.identity.place, actual, self.host.stack.spec, None)
        self._stack = await self._undo.enter_async_context(
            with_edges(
                self.host.stack, self.host.server, sorted(plan.fault_people), run=self.run, spare=self.host.spare
            )
        )
        self._swarm = swarm = await self._started(as_played(plan, self.host.options.mutant, self.host.stack.spec))
        await swarm.phase("provision")
        await swarm.provision(CONNECT_WITHIN_S)
        await self._enter("baseline")
        await swarm.begin()

    async def say(self, device: str, to: str, text: str) -> Said:
        """Let a device send a text, which ends in the word by which it is found where no text belongs."""
        said = Said(await self.swarm.say(device, to, f"{text} {self._canary}"), to)
        self.said.append(said)
        return said

    async def inject(self, name: str, keys: Mapping[str, Any]) -> Injection:
        """Apply a fault; one that this stack cannot play skips the test.

        Raises ``NotProven`` when it cannot be read back as in place.
        """
        if self.over:
            raise UsageError("the run is over: the first chaos_history.check() ends it", hint="inject before it")
        plan = plan_of(self.identity.place, self._called, self.host.stack.spec, (name, keys))
        stack = self.host.stack
        if reasons := unsupported(plan, stack.spec, launcher=stack.launcher, proxy=stack.proxy.kind):
            pytest.skip(f"unsupported: {'; '.join(reasons)}")
        if not self.injections:
            await self._enter("inject")
            await self._undo.enter_async_context(self._bypass.looking())
        people: People = self._swarm or Nobody()
        stage = Stage(self._stack, people, self._recorder, self._journal, self._bypass, _unheard)
        injection = Injection(resolved_fault(plan.faults[0], self.names), stage)
        self.injections.append(injection)
        await injection.begin()
        return injection

    async def finish(self) -> None:
        """Undo all faults, let messages settle, let everybody catch up and read the truth; once."""
        if self.over:
            return
        try:
            async with vigil(self._stack, self._unhealed):
                await self._wind_up()
        except (EnvironmentFault, ProxyUnavailable) as problem:
            self._trouble.append(reason_of(problem))
            if isinstance(problem, Died):
                self.host.spoiled = problem.what.partition(";")[0]
        await self._close()

    async def _wind_up(self) -> None:
        await self._heal()
        if self._swarm is not None:
            await self._enter("quiet")
            deliver_s = self.host.stack.spec.promises.deliver_within_s or 0.0
            await settle(self._swarm, self.said, recover_within_s=RECOVER_WITHIN_S, deliver_within_s=deliver_s)
            await self._enter("final")
            await self._swarm.final(FINAL_WITHIN_S)
            await self._enter("oracle")
            await self._swarm.oracle(ORACLE_WITHIN_S)
        await self._enter("collect")

    async def judge(self, required: Collection[str]) -> RunResult:
        """Judge what was recorded; the run is over with that."""
        await self.finish()
        self.folder.write_facts(self._facts(tuple(required)), "")
        result = await asyncio.to_thread(judge_folder, self.folder.path, self._trouble)
        self.folder.write_results(result)
        return result

    async def abandon(self) -> None:
        """Undo whatever is in place and end; a fault that stays makes the stack unfit for other tests."""
        if not self.over:
            await self._heal()
            await self._close()

    async def beat(self) -> None:
        """Write a sign of life each second, for as long as the run lasts."""
        while not self.over:
            self._recorder.beat()
            await asyncio.sleep(1.0)

    async def _started(self, plan: ScenarioPlan) -> SwarmClient:
        host = self.host
        spawned = await spawn_swarm(host.watcher, self.folder)
        self._undo.push_async_callback(spawned.swarm.close)
        config = configuration(
            plan, self._stack, run=self.run, folder=self.folder, seed=host.options.seed, key=host.key
        )
        return await self._undo.enter_async_context(playing(spawned, host.watcher, config))

    async def _heal(self) -> None:
        await self._enter("heal")
        for injection in reversed(self.injections):
            await injection.end()
            if injection.gap == "not_healed":
                self.host.spoiled = f"fault {injection.plan.id} of {self.identity.place.name} could not be undone"

    async def _close(self) -> None:
        self.over = True
        await self._undo.aclose()
        self._recorder.close()
        await asyncio.to_thread(take_over_logs, self.host.stack.logs, self.folder.logs, self._logged)
        await asyncio.to_thread(
            take_over,
            self.host.folder.events,
            self.folder.events,
            run=self.run,
            people=frozenset(self.names.values()),
            from_ns=self._began_ns,
            to_ns=time.monotonic_ns(),
        )

    async def _enter(self, phase: Phase) -> None:
        self._recorder.phase = phase
        self._recorder.record("phase_started")
        if self._swarm is not None:
            await self._swarm.phase(phase)

    def _unhealed(self) -> frozenset[str]:
        return frozenset(injection.plan.target for injection in self.injections if injection.gap == "not_healed")

    @property
    def _faults(self) -> tuple[FaultPlan, ...]:
        return tuple(injection.plan for injection in self.injections)

    def _facts(self, required: tuple[str, ...]) -> RunFacts:
        options, place, spec = self.host.options, self.identity.place, self.host.stack.spec
        return RunFacts(
            v=1,
            run=self.run,
            scenario=place.name,
            params={},
            source=str(place.file),
            seed=options.seed,
            attempt=1,
            stack=spec.name,
            launcher=options.launcher,
            proxy=self.host.stack.proxy.kind,
            proxy_version=self.host.stack.proxy.version,
            caveats=caveats(self._faults, self.host.stack.proxy.kind),
            mutant=options.mutant,
            versions={"chat-chaos": __version__, "python": platform.python_version(), "system": platform.platform()},
            scenario_sha256=hashlib.sha256(b"").hexdigest(),
            promises=promises_as_data(spec.promises),
            faults=self._faults,
            required_checks=required,
            recover_within_s=RECOVER_WITHIN_S,
            replay=self.identity.again,
            canary=self._canary,
        )


def _unheard(_: FaultResult) -> None:
    """Each injection listens for itself."""


@asynccontextmanager
async def live_run(host: Host, identity: Identity) -> AsyncIterator[LiveRun]:
    """Begin the run of a test; whatever is left of it is undone at the end."""
    async with AsyncExitStack() as undo:
        journal = undo.enter_context(closing(Journal(host.folder.journal)))
        run = LiveRun(host, identity, undo, journal)
        beating = asyncio.create_task(run.beat(), name="heartbeat of a test")
        try:
            yield run
        finally:
            await run.abandon()
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        for injection in run.injections:
            injection.refuse_unhealed()
