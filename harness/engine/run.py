"""One execution of one scenario: the phases, in order, with everything undone at the end whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

from harness.core.errors import EnvironmentFault
from harness.core.events import Phase
from harness.core.plan import ScenarioPlan
from harness.core.results import FaultResult, Reason
from harness.core.stack import StackSpec
from harness.engine.act import Stage
from harness.engine.baseline import check_baseline
from harness.engine.bypass import BypassWatch
from harness.engine.conductor import Conductor
from harness.engine.consumption import measured
from harness.engine.defects import server_mutant
from harness.engine.disks import with_disks
from harness.engine.files import raise_file_limit
from harness.engine.folder import RunFolder
from harness.engine.options import RunOptions
from harness.engine.people import SwarmTriggers, configuration, playing, spawn_swarm
from harness.engine.proxying import caveats
from harness.engine.stream import FaultMoved, Listener, PhaseStarted, ProxyServing
from harness.engine.vigil import all_alive, reason_of, unless_lost, vigil
from harness.faults.registry import kinds
from harness.history.recorder import Recorder
from harness.proxy.api import ProxyInfo, ProxyUnavailable
from harness.stacks.api import Order, Stack
from harness.stacks.journal import Journal
from harness.stacks.launchers import launcher, outlives_runs
from harness.stacks.proxy_choice import Choice
from harness.stacks.watcher_client import Watcher
from harness.swarm.control import ANSWER_LIMIT_S, SwarmClient

PROVISION_WITHIN_S = 30.0
FINAL_WITHIN_S = 20.0
ORACLE_WITHIN_S = 30.0
COLLECT_S = 30.0
PER_PERSON_S = 0.05
"""What each of a crowd adds to these: an account, a last sync and an archive take some milliseconds each."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one run is to do."""

    run: str
    plan: ScenarioPlan
    spec: StackSpec
    folder: RunFolder
    options: RunOptions
    attempt: int
    key: str
    """The run's key for references to secrets and bodies, in hex; it is kept nowhere."""
    proxy: Choice
    """The server that the links run through."""


class Run:
    """Plays a scenario once and leaves its events in the run folder; judging them is not its business."""

    def __init__(self, assignment: Assignment, listener: Listener) -> None:
        self._do = assignment
        self._plan = assignment.plan
        self._more_s = PER_PERSON_S * assignment.plan.crowd.people if assignment.plan.crowd else 0.0
        # The histories of a crowd may have to be fetched from other machines: no slower than they were written.
        self._stop_s = ANSWER_LIMIT_S + (assignment.plan.phases.total_s + COLLECT_S if assignment.plan.crowd else 0.0)
        self._listener = listener
        self._recorder = Recorder(assignment.folder.events, run=assignment.run, role="engine", observer="engine")
        self._unhealed: frozenset[str] = frozenset()
        """Targets of faults that could not be undone."""

    async def play(self) -> tuple[Reason, ...]:
        """Go through all phases; return what went wrong with the environment, if anything did."""
        heartbeat = asyncio.create_task(self._beat(), name="engine heartbeat")
        try:
            async with AsyncExitStack() as undo:
                stack, swarm = await self._provision(undo)
                async with vigil(stack, lambda: self._unhealed):
                    await unless_lost(swarm, self._phases(stack, swarm))
                self._phase("collect")
        except (EnvironmentFault, ProxyUnavailable) as problem:
            return (reason_of(problem),)
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)
            self._recorder.close()
        return ()

    async def _provision(self, undo: AsyncExitStack) -> tuple[Stack, SwarmClient]:
        self._phase("provision")
        do = self._do
        if self._plan.crowd:
            raise_file_limit()
        watcher = await undo.enter_async_context(Watcher.start(do.folder.journal, run=do.run))
        spawned = await spawn_swarm(watcher, do.folder, do.options.players)
        undo.push_async_callback(spawned.swarm.close)
        order = Order(
            spec=with_disks(do.spec, self._plan.faults),
            processes=watcher,
            run=do.run,
            folder=do.folder.path,
            people=self._plan.fault_people,
            mutant=server_mutant(do.options.mutant),
            key=do.key,
            clocks=_moved_clocks(self._plan),
            keep=do.options.keep,
            seed=do.options.seed,
            proxy=do.proxy.proxy,
            about={"scenario": self._plan.name, "worker": do.options.worker},
        )
        stack = await undo.enter_async_context(launcher(do.options.launcher).launch(order))
        self._proxied(stack.proxy)
        config = configuration(self._plan, stack, run=do.run, folder=do.folder, seed=do.options.seed, key=do.key)
        swarm = await undo.enter_async_context(
            playing(spawned, watcher, config, ready_s=do.options.players_within_s, stop_s=self._stop_s)
        )
        if self._plan.crowd:
            looking = measured(do.folder.path, stack, people=spawned.pid, watcher=watcher.pid)
            await undo.enter_async_context(looking)
        await swarm.phase("provision")
        await swarm.provision(PROVISION_WITHIN_S + self._more_s)
        return stack, swarm

    async def _phases(self, stack: Stack, swarm: SwarmClient) -> None:
        triggers = SwarmTriggers(swarm)
        await self._baseline(swarm, triggers)
        bypass = BypassWatch(stack)
        async with bypass.looking(), self._conducting(stack, swarm, triggers, bypass) as conductor:
            await self._disturb(swarm, conductor)
            await self._enter("heal", swarm)
            await conductor.heal()
            self._unhealed = conductor.unhealed()
        await all_alive(stack, besides=self._unhealed)
        await self._calm_down(swarm)
        await self._read_the_truth(swarm)

    async def _baseline(self, swarm: SwarmClient, triggers: SwarmTriggers) -> None:
        await self._enter("baseline", swarm, self._plan.phases.baseline_s)
        accepted = await triggers.watch("server_accepted")
        await swarm.begin()
        await asyncio.sleep(self._plan.phases.baseline_s)
        if not accepted.is_set():
            raise EnvironmentFault(
                f"no message was accepted in the {self._plan.phases.baseline_s:g} s of the baseline",
                hint=f"nothing was disturbed yet: see the services' output in {self._do.folder.logs}",
            )
        if outlives_runs(self._do.options.launcher, self._do.spec):
            check_baseline(self._do.folder.events, self._do.spec.abort)

    @asynccontextmanager
    async def _conducting(
        self, stack: Stack, swarm: SwarmClient, triggers: SwarmTriggers, bypass: BypassWatch
    ) -> AsyncIterator[Conductor]:
        with closing(Journal(self._do.folder.journal)) as journal:
            stage = Stage(stack, swarm, self._recorder, journal, bypass, self._moved)
            conductor = Conductor(self._plan.faults, stage, triggers)
            try:
                yield conductor
            except BaseException:
                await conductor.abandon()
                self._unhealed = conductor.unhealed()
                raise

    async def _disturb(self, swarm: SwarmClient, conductor: Conductor) -> None:
        observe_s = self._plan.phases.observe_s
        await self._enter("inject", swarm, observe_s)
        end = asyncio.get_running_loop().time() + observe_s
        await conductor.arm()
        try:
            async with asyncio.timeout_at(end):
                await conductor.started()
                await self._enter("observe", swarm)
        except TimeoutError:
            return  # a fault whose trigger never came is found missing by the judge
        await asyncio.sleep(max(0.0, end - asyncio.get_running_loop().time()))

    async def _calm_down(self, swarm: SwarmClient) -> None:
        """Let messages flow without faults, then stop early enough that the last one has its time to arrive."""
        quiet_s = self._plan.phases.quiet_s
        await self._enter("quiet", swarm, quiet_s)
        tail = min(quiet_s, self._do.spec.promises.deliver_within_s or 0.0)
        await asyncio.sleep(quiet_s - tail)
        await swarm.quiesce()
        await asyncio.sleep(tail)

    async def _read_the_truth(self, swarm: SwarmClient) -> None:
        await self._enter("final", swarm)
        await swarm.final(FINAL_WITHIN_S + self._more_s)
        await self._enter("oracle", swarm)
        await swarm.oracle(ORACLE_WITHIN_S + self._more_s)

    async def _enter(self, phase: Phase, swarm: SwarmClient, expected_s: float | None = None) -> None:
        self._phase(phase, expected_s)
        await swarm.phase(phase)

    def _phase(self, phase: Phase, expected_s: float | None = None) -> None:
        self._recorder.phase = phase
        self._recorder.record("phase_started")
        self._listener(PhaseStarted(self._do.run, phase, expected_s))

    def _proxied(self, proxy: ProxyInfo) -> None:
        """Note and tell which server really runs."""
        do = self._do
        do.folder.note_proxy(proxy.kind, proxy.version)
        told = caveats(self._plan.faults, proxy.kind)
        self._listener(ProxyServing(do.run, proxy.kind, proxy.version, do.proxy.why, told))

    def _moved(self, fault: FaultResult) -> None:
        self._listener(FaultMoved(self._do.run, fault))

    async def _beat(self) -> None:
        while True:
            self._recorder.beat()
            await asyncio.sleep(1.0)


def _moved_clocks(plan: ScenarioPlan) -> frozenset[str]:
    """Services whose wall clock one of the faults is going to move."""
    return frozenset(fault.target for fault in plan.faults if kinds()[fault.kind].stamps == "server_time_ns")
