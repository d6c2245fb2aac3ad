"""Several scenarios in one command: side by side if wanted, inconclusive ones again, one result each."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import secrets
import shlex
import time
from collections.abc import Sequence

from harness import __version__
from harness.core.digests import canary
from harness.core.errors import NothingSelected, UsageError
from harness.core.ids import new_run_id
from harness.core.plan import ScenarioPlan
from harness.core.results import RunResult
from harness.core.stack import StackSpec, promises_as_data
from harness.core.verdicts import Verdict
from harness.engine.defects import titles, with_client_defect
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.judge import judge_folder
from harness.engine.options import RunOptions
from harness.engine.run import Assignment, Run
from harness.engine.stream import Listener, RunFinished, RunSkipped, RunStarted
from harness.scenario.stackfile import load_stack
from harness.stacks.capabilities import unavailable
from harness.stacks.launchers import LAUNCHERS

PROXIES = ("embedded",)


async def run_session(plans: Sequence[ScenarioPlan], options: RunOptions, listener: Listener) -> list[RunResult]:
    """Run every scenario that the stack can play and return the results in the order of the plans.

    Raises ``UsageError`` for a choice that does not exist and ``NothingSelected`` when nothing is left to run.
    """
    check_choices(options)
    chosen = [(with_client_defect(plan, options.mutant), stack_for(plan, options)) for plan in plans]
    left = [(plan, spec) for plan, spec in chosen if playable(plan, spec, listener)]
    if not left:
        raise NothingSelected("no scenario was left to run", hint="see what was skipped above, or widen the selection")
    return await _Session(options, listener).run(left)


class _Session:
    def __init__(self, options: RunOptions, listener: Listener) -> None:
        self._options = options
        self._listener = listener
        self._slots = asyncio.Semaphore(options.jobs)
        self._stopped = False

    async def run(self, chosen: Sequence[tuple[ScenarioPlan, StackSpec]]) -> list[RunResult]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._scenario(plan, spec)) for plan, spec in chosen]
        return [result for task in tasks if (result := task.result()) is not None]

    async def _scenario(self, plan: ScenarioPlan, spec: StackSpec) -> RunResult | None:
        async with self._slots:
            if self._stopped:
                self._listener(RunSkipped(plan, "an earlier scenario failed (--fail-fast)"))
                return None
            for attempt in range(1, self._options.reruns + 2):
                result, last = await self._attempt(plan, spec, attempt)
                if last:
                    break
        if self._options.fail_fast and result.verdict is Verdict.FAIL:
            self._stopped = True
        return result

    async def _attempt(self, plan: ScenarioPlan, spec: StackSpec, attempt: int) -> tuple[RunResult, bool]:
        began = time.monotonic()
        run = new_run_id(plan.name, self._options.worker)
        folder = RunFolder.create(self._options.out, run)
        key = secrets.token_hex(32)
        folder.write_facts(_facts(run, plan, spec, self._options, attempt=attempt, key=key), plan.text)
        self._listener(RunStarted(run, plan, self._options.seed, folder.path, attempt, self._options.mutant))
        assignment = Assignment(run, plan, spec, folder, self._options, attempt, key)
        trouble = await Run(assignment, self._listener).play()
        result = await asyncio.to_thread(judge_folder, folder.path, trouble)
        folder.write_results(result)
        last = result.verdict is not Verdict.INCONCLUSIVE or attempt > self._options.reruns
        elapsed = time.monotonic() - began
        self._listener(RunFinished(run, plan, result, folder.path, elapsed, rerun=not last))
        return result, last


def replay_line(plan: ScenarioPlan, options: RunOptions) -> str:
    """Return the command that repeats the inputs of a run (its timing cannot be repeated)."""
    words = ["chat-chaos", "run", plan.source, "--seed", str(options.seed)]
    if options.stack is not None:
        words += ["--stack", options.stack]
    if options.mutant is not None:
        words += ["--mutant", options.mutant]
    for key, value in options.parameters.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def check_choices(options: RunOptions) -> None:
    """Raise ``UsageError`` for a launcher, proxy or mutant that does not exist."""
    _one_of("launcher", options.launcher, LAUNCHERS)
    if options.proxy is not None:
        _one_of("proxy", options.proxy, PROXIES)
    if options.mutant is not None:
        _one_of("mutant", options.mutant, tuple(titles()))


def _one_of(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"there is no {what} {value!r}", hint=f"known: {', '.join(known)}")


def stack_for(plan: ScenarioPlan, options: RunOptions) -> StackSpec:
    """Load the stack that a scenario runs against: its own, or the one that the user chose."""
    return load_stack(options.stack or plan.stack, parameters=options.parameters)


def playable(plan: ScenarioPlan, spec: StackSpec, listener: Listener) -> bool:
    """Tell whether this stack can play a scenario; one that it cannot is told to the listener."""
    reasons = unsupported(plan, spec)
    if reasons:
        listener(RunSkipped(plan, f"unsupported: {'; '.join(reasons)}"))
    return not reasons


def unsupported(plan: ScenarioPlan, spec: StackSpec) -> list[str]:
    """Return why this stack, here and now, cannot play a scenario; empty when it can."""
    kept_from = unavailable(spec, plan.needs)
    missing = [need for need in plan.needs if need not in spec.capabilities]
    return [f"stack {spec.name} has no {need}" for need in missing] + [
        kept_from[need] for need in plan.needs if need in kept_from and need not in missing
    ]


def _facts(run: str, plan: ScenarioPlan, spec: StackSpec, options: RunOptions, *, attempt: int, key: str) -> RunFacts:
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
        proxy=options.proxy or "embedded",
        mutant=options.mutant,
        versions={"chat-chaos": __version__, "python": platform.python_version(), "system": platform.platform()},
        scenario_sha256=hashlib.sha256(plan.text.encode()).hexdigest(),
        promises=promises_as_data(spec.promises),
        faults=plan.faults,
        required_checks=plan.required_checks,
        recover_within_s=plan.recover_within_s,
        replay=replay_line(plan, options),
        client=plan.client,
        slos=plan.slos,
        canary=canary(bytes.fromhex(key)),
    )
