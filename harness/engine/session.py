"""Several scenarios in one command: side by side if wanted, inconclusive ones again, one result each."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from harness import __version__
from harness.checks.catalogue import checks
from harness.core.digests import canary
from harness.core.errors import NothingSelected, UsageError
from harness.core.ids import new_run_id
from harness.core.plan import LoadPlan, ScenarioPlan
from harness.core.results import Reason, RunResult
from harness.core.stack import StackSpec, promises_as_data
from harness.core.verdicts import Verdict
from harness.engine.defects import as_played, own_client, titles
from harness.engine.findings import listed
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.judge import judge_folder
from harness.engine.means import without_means
from harness.engine.options import RunOptions
from harness.engine.proxying import caveats, proxy_for, uncarried, wanted
from harness.engine.run import Assignment, Run
from harness.engine.stream import Listener, RunFinished, RunSkipped, RunStarted
from harness.scenario.stackfile import load_stack
from harness.scenario.units import format_duration, format_rate
from harness.stacks.capabilities import unavailable
from harness.stacks.launchers import EMBEDDED, LAUNCHERS, check_launcher
from harness.stacks.presence import absent, optional
from harness.stacks.proxy_choice import AUTO, EXTENSIONS, Choice, check_proxy

JUDGES = 2
"""Runs that are judged at the same time. They have threads of their own, and few: many runs that end together must
not hold up the faults of those that are still being played."""


@dataclass(frozen=True, slots=True)
class Job:
    """One scenario to play against one stack, and the choices that hold for it."""

    plan: ScenarioPlan
    spec: StackSpec
    options: RunOptions


Afterwards = Callable[[Path], None]


def _nothing_more(_: Path) -> None:
    pass


async def run_session(
    plans: Sequence[ScenarioPlan], options: RunOptions, listener: Listener, afterwards: Afterwards = _nothing_more
) -> list[RunResult]:
    """Run every scenario that the stack can play and return the results in the order of the plans.

    ``afterwards`` is called with the folder of each judged run, in a worker thread, before the listener hears of its
    end. Raises ``UsageError`` for a choice that does not exist and ``NothingSelected`` when nothing is left to run.
    """
    check_choices(options)
    jobs = [job_for(plan, options) for plan in plans]
    left = [job for job in jobs if playable(job, listener)]
    if not left:
        raise NothingSelected("no scenario was left to run", hint="see what was skipped above, or widen the selection")
    return await run_jobs(left, listener, at_once=options.jobs, afterwards=afterwards)


def job_for(plan: ScenarioPlan, options: RunOptions) -> Job:
    """Make a scenario ready to be played; whose client plays it becomes part of the plan."""
    spec = stack_for(plan, options)
    return Job(as_played(plan, options.mutant, spec), spec, options)


async def run_jobs(
    jobs: Sequence[Job], listener: Listener, *, at_once: int, afterwards: Afterwards = _nothing_more
) -> list[RunResult]:
    """Play all jobs, so many side by side, and return the results in their order; a job given up leaves none."""
    judges = ThreadPoolExecutor(JUDGES, thread_name_prefix="judge")
    try:
        session = _Session(listener, at_once, judges, afterwards)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(session.play(job)) for job in jobs]
    finally:
        judges.shutdown(wait=False, cancel_futures=True)
    return [result for task in tasks if (result := task.result()) is not None]


class _Session:
    def __init__(self, listener: Listener, at_once: int, judges: Executor, afterwards: Afterwards) -> None:
        self._listener = listener
        self._judges = judges
        self._afterwards = afterwards
        self._slots = asyncio.Semaphore(at_once)
        self._stopped = False

    async def play(self, job: Job) -> RunResult | None:
        async with self._slots:
            if self._stopped:
                self._listener(RunSkipped(job.plan, "an earlier scenario failed (--fail-fast)"))
                return None
            for attempt in range(1, job.options.reruns + 2):
                result, last = await self._attempt(_again(job, attempt), attempt)
                if last:
                    break
        if job.options.fail_fast and result.counts_as is Verdict.FAIL:
            self._stopped = True
        return result

    async def _attempt(self, job: Job, attempt: int) -> tuple[RunResult, bool]:
        plan, spec, options = job.plan, job.spec, job.options
        began = time.monotonic()
        run = new_run_id(plan.name, options.worker)
        folder = RunFolder.create(options.out, run)
        key = secrets.token_hex(32)
        chosen = proxy_for(plan, spec, options)
        folder.write_facts(_facts(run, plan, spec, options, chosen, attempt=attempt, key=key), plan.text)
        self._listener(RunStarted(run, plan, options.seed, folder.path, attempt, options.mutant))
        assignment = Assignment(run, plan, spec, folder, options, attempt, key, chosen)
        trouble = await Run(assignment, self._listener).play()
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._judges, _judge, folder, trouble, self._afterwards)
        last = result.counts_as is not Verdict.INCONCLUSIVE or attempt > options.reruns
        elapsed = time.monotonic() - began
        self._listener(RunFinished(run, plan, result, folder.path, elapsed, rerun=not last))
        return result, last


def _judge(folder: RunFolder, trouble: Sequence[Reason], afterwards: Afterwards) -> RunResult:
    result = judge_folder(folder.path, trouble)
    folder.write_results(result)
    afterwards(folder.path)
    return result


def _again(job: Job, attempt: int) -> Job:
    """Each repetition has the next seed: a timetable that left a fault without traffic would do so again."""
    return replace(job, options=replace(job.options, seed=job.options.seed + attempt - 1))


def replay_line(plan: ScenarioPlan, options: RunOptions) -> str:
    """Return the command that repeats the inputs of a run (its timing cannot be repeated)."""
    words = ["chat-chaos", "load" if plan.loaded else "run", plan.source, "--seed", str(options.seed)]
    if plan.crowd is not None:
        words += _load_flags(plan, plan.crowd)
    if options.stack is not None:
        words += ["--stack", options.stack]
    if options.launcher != EMBEDDED:
        words += ["--launcher", options.launcher]
    if options.proxy not in {None, AUTO}:
        words += ["--proxy", str(options.proxy)]
    if options.mutant is not None:
        words += ["--mutant", options.mutant]
    for key, value in options.parameters.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def _load_flags(plan: ScenarioPlan, load: LoadPlan) -> list[str]:
    """What makes the same crowd of the same file; a step of a search is a search of one step."""
    words = ["--users", str(load.people), "--rate", format_rate(load.rate_per_s)]
    if not load.plateau:
        return [*words, "--duration", format_duration(plan.phases.total_s)]
    kept = ["--keep-faults"] if plan.faults else []
    return [*words, "--duration", format_duration(plan.phases.observe_s), "--find-capacity", "--steps", "1", *kept]


def check_choices(options: RunOptions) -> None:
    """Raise ``UsageError`` for a launcher, proxy or mutant that does not exist.

    Raises ``EnvironmentFault`` for a proxy, or a container engine, that this machine lacks.
    """
    _one_of("launcher", options.launcher, LAUNCHERS)
    check_launcher(options.launcher)
    check_proxy(options.proxy or AUTO, options.launcher)
    if options.mutant is not None:
        _one_of("mutant", options.mutant, tuple(titles()))


def _one_of(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"there is no {what} {value!r}", hint=f"known: {', '.join(known)}")


def stack_for(plan: ScenarioPlan, options: RunOptions) -> StackSpec:
    """Load the stack that a scenario runs against: its own, or the one that the user chose."""
    # What lacks something that the scenario is about may lack the parameters, too; it is going to be skipped.
    own = {} if plan.absent else plan.parameters
    return load_stack(options.stack or plan.stack, parameters={**own, **options.parameters})


def playable(job: Job, listener: Listener) -> bool:
    """Tell whether a scenario can be played as chosen; one that cannot is told to the listener."""
    options = job.options
    if reasons := unsupported(job.plan, job.spec, launcher=options.launcher, proxy=options.proxy):
        listener(RunSkipped(job.plan, f"unsupported: {'; '.join(reasons)}"))
        return False
    # Who names a stack wants it, and is told what is missing; who plays a folder wants what can be played here.
    wanted = options.stack is not None or not optional(job.spec)
    lack = None if wanted else absent(job.spec, options.launcher, os.environ)
    if lack:
        listener(RunSkipped(job.plan, f"not on this machine: {lack}"))
    return lack is None


def unsupported(plan: ScenarioPlan, spec: StackSpec, *, launcher: str, proxy: str | None = None) -> list[str]:
    """Return why this stack, here and now, so launched and proxied, cannot play a scenario; empty when it can."""
    if plan.absent:
        return [f"stack {spec.name}: {'; '.join(plan.absent)}"]
    needs = [need for need in plan.needs if need not in EXTENSIONS]
    kept_from = unavailable(spec, needs, launcher=launcher)
    missing = [need for need in needs if need not in spec.capabilities]
    return [
        *(f"stack {spec.name} has no {need}" for need in missing),
        *(kept_from[need] for need in needs if need in kept_from and need not in missing),
        *unpromised(plan, spec),
        *without_means(plan.faults, spec, launcher),
        *own_client(plan, spec),
        *uncarried(plan, spec, wanted(spec, launcher, proxy)),
    ]


def unpromised(plan: ScenarioPlan, spec: StackSpec) -> list[str]:
    """Return which of the checks that a scenario requires judge what the stack never promised."""
    needed = {name: checks()[name].promise for name in plan.required_checks if name in checks()}
    return [
        f"stack {spec.name} does not promise {need}, which {name} judges"
        for name, need in needed.items()
        if not need.made_by(spec.promises)
    ]


def _facts(
    run: str, plan: ScenarioPlan, spec: StackSpec, options: RunOptions, chosen: Choice, *, attempt: int, key: str
) -> RunFacts:
    return RunFacts(
        v=1,
        run=run,
        scenario=plan.name,
        params=plan.matrix,
        source=plan.source,
        seed=options.seed,
        attempt=attempt,
        stack=spec.name,
        launcher=options.launcher,
        proxy=chosen.proxy,
        proxy_why=chosen.why,
        caveats=caveats(plan.faults, chosen.proxy),
        mutant=options.mutant,
        versions={"chat-chaos": __version__, "python": platform.python_version(), "system": platform.platform()},
        scenario_sha256=hashlib.sha256(plan.text.encode()).hexdigest(),
        promises=promises_as_data(spec.promises),
        findings=listed(plan, spec),
        simulated=spec.simulated,
        faults=plan.faults,
        required_checks=plan.required_checks,
        recover_within_s=plan.recover_within_s,
        replay=replay_line(plan, options),
        client=plan.client,
        slos=plan.slos,
        load=plan.crowd,
        canary=canary(bytes.fromhex(key)),
    )
