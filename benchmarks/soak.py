"""Run the healthy catalogue again and again while other processes keep the machine busy: it must never cry wolf.

    soak.py                                             200 runs of everything against the reference backend
    soak.py --stack prosody --faults none --runs 30     people and workloads as they are, and nothing is done to them
    soak.py --stack prosody --faults network --runs 30  scenarios in which nothing but the network fails

Exits 0 when no run failed, none was an error and at most 0.5 % stayed inconclusive after their reruns; findings that a
stack file lists count as it says. Exits 5 when the stack can run none of the scenarios.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.core.errors import ChatChaosError, NothingSelected
from harness.core.places import scenarios_folder
from harness.core.plan import ScenarioPlan
from harness.core.results import RunResult
from harness.core.seeds import fresh_seed
from harness.core.verdicts import Verdict
from harness.engine.options import RunOptions
from harness.engine.session import run_session
from harness.engine.stream import RunFinished, RunSkipped, StreamItem
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack

DOUBTFUL_SHARE = 0.005
NOTHING_SELECTED = 5


def as_written(plans: Sequence[ScenarioPlan]) -> list[ScenarioPlan]:
    """Every scenario."""
    return list(plans)


def without_faults(plans: Sequence[ScenarioPlan]) -> list[ScenarioPlan]:
    """Every scenario without its faults; what its checks were to see is not owed then."""
    return [replace(plan, faults=(), required_checks=()) for plan in plans]


def of_the_network(plans: Sequence[ScenarioPlan]) -> list[ScenarioPlan]:
    """The scenarios in which nothing but the network fails."""
    return [plan for plan in plans if plan.faults and all(fault.kind.startswith("network.") for fault in plan.faults)]


KEPT: dict[str, Callable[[Sequence[ScenarioPlan]], list[ScenarioPlan]]] = {
    "all": as_written,
    "none": without_faults,
    "network": of_the_network,
}


@contextlib.contextmanager
def foreign_load(processes: int) -> Iterator[None]:
    """Keep that many processors busy with work that is none of ours."""
    burn = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(burn) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


class Tally:
    """Counts last words after the findings that are listed, and keeps the folders of those runs that did not pass."""

    def __init__(self) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self.reruns = 0
        self.skipped: dict[str, str] = {}

    def __call__(self, item: StreamItem) -> None:
        """Take one fact of the stream."""
        if isinstance(item, RunSkipped):
            self.skipped[item.plan.id] = item.reason
        if not isinstance(item, RunFinished):
            return
        if item.rerun:
            self.reruns += 1
        verdict = _last_word(item)
        if verdict is Verdict.PASS:
            shutil.rmtree(item.folder)
        else:
            print(f"{item.result.verdict} {item.plan.id} {item.folder}: {_first(item.result)}", flush=True)
        if not item.rerun:
            self.verdicts[verdict] += 1

    @property
    def holds(self) -> bool:
        """Whether the harness kept its word."""
        total = self.verdicts.total()
        bad = self.verdicts[Verdict.FAIL] + self.verdicts[Verdict.ERROR]
        return total > 0 and not bad and self.verdicts[Verdict.INCONCLUSIVE] <= DOUBTFUL_SHARE * total


def _last_word(item: RunFinished) -> Verdict:
    """What a run counts as; a finding that always shows may stay away where nothing was done to bring it about."""
    result = item.result
    return (result if item.plan.faults else msgspec.structs.replace(result, missed=())).counts_as


def _first(result: RunResult) -> str:
    return result.reasons[0].text if result.reasons else ""


def soak(runs: int, plans: list[ScenarioPlan], options: RunOptions) -> Tally:
    """Run the scenarios, in another order and with another seed each round, until enough runs have ended."""
    tally = Tally()
    while plans and tally.verdicts.total() < runs:
        seed = fresh_seed()
        seed.rng("soak").shuffle(plans)
        wanted = plans[: runs - tally.verdicts.total()]
        with contextlib.suppress(NothingSelected):  # all of these are to be skipped: there may be others
            asyncio.run(run_session(wanted, replace(options, seed=seed.value), tally))
        plans = [plan for plan in plans if plan.id not in tally.skipped]
        print(f"{tally.verdicts.total()} of {runs} runs: {dict(tally.verdicts)}, {tally.reruns} reruns", flush=True)
    return tally


def main() -> int:
    """Run the soak and print its last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[scenarios_folder()])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--load", type=int, default=os.cpu_count() or 1, help="busy processes beside it")
    parser.add_argument("--stack", help="stack to test instead of the one that the scenario names")
    parser.add_argument("--launcher", default="embedded", help="how the stack is started")
    parser.add_argument("--faults", choices=KEPT, default="all", help="which faults there are")
    parser.add_argument("--out", type=Path, default=Path("chat-chaos-runs/soak"))
    chosen = parser.parse_args()
    options = RunOptions(seed=0, out=chosen.out, jobs=chosen.jobs, stack=chosen.stack, launcher=chosen.launcher)
    try:
        stack = load_stack(chosen.stack) if chosen.stack else None
        plans = KEPT[chosen.faults](load_scenarios(chosen.paths, stack=stack))
        with foreign_load(chosen.load):
            tally = soak(chosen.runs, plans, options)
    except ChatChaosError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    return closing_words(tally)


def closing_words(tally: Tally) -> int:
    """Print what was skipped and what was seen; the exit code."""
    for name, reason in sorted(tally.skipped.items()):
        print(f"skipped {name}: {reason}")
    if not tally.verdicts:
        print("soak: no scenario could be run")
        return NOTHING_SELECTED
    said = "holds" if tally.holds else "DOES NOT HOLD"
    print(f"soak: {dict(tally.verdicts)} in {tally.verdicts.total()} runs, {said}")
    return 0 if tally.holds else 1


if __name__ == "__main__":
    sys.exit(main())
