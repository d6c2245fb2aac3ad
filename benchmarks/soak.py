"""Run the healthy catalogue again and again while other processes keep the machine busy: it must never cry wolf.

Exits 0 when no run failed, none was an error and at most 0.5 % stayed inconclusive after their reruns.
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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.core.places import scenarios_folder
from harness.core.results import RunResult
from harness.core.seeds import fresh_seed
from harness.core.verdicts import Verdict
from harness.engine.options import RunOptions
from harness.engine.session import run_session
from harness.engine.stream import RunFinished, RunSkipped, StreamItem
from harness.scenario.loader import load_scenarios

DOUBTFUL_SHARE = 0.005


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
        self.skipped: set[str] = set()

    def __call__(self, item: StreamItem) -> None:
        """Take one fact of the stream."""
        if isinstance(item, RunSkipped):
            self.skipped.add(f"{item.plan.id}: {item.reason}")
        if not isinstance(item, RunFinished):
            return
        if item.rerun:
            self.reruns += 1
        if item.result.counts_as is Verdict.PASS:
            shutil.rmtree(item.folder)
        else:
            print(f"{item.result.verdict} {item.plan.id} {item.folder}: {_first(item.result)}", flush=True)
        if not item.rerun:
            self.verdicts[item.result.counts_as] += 1

    @property
    def holds(self) -> bool:
        """Whether the harness kept its word."""
        total = self.verdicts.total()
        bad = self.verdicts[Verdict.FAIL] + self.verdicts[Verdict.ERROR]
        return total > 0 and not bad and self.verdicts[Verdict.INCONCLUSIVE] <= DOUBTFUL_SHARE * total


def _first(result: RunResult) -> str:
    return result.reasons[0].text if result.reasons else ""


def soak(runs: int, jobs: int, out: Path, paths: list[Path]) -> Tally:
    """Run the catalogue, each round with another seed, until enough runs have ended."""
    plans = load_scenarios(paths)
    tally = Tally()
    options = RunOptions(seed=0, out=out, jobs=jobs)
    while tally.verdicts.total() < runs:
        wanted = plans[: runs - tally.verdicts.total()]
        asyncio.run(run_session(wanted, replace(options, seed=fresh_seed().value), tally))
        print(f"{tally.verdicts.total()} of {runs} runs: {dict(tally.verdicts)}, {tally.reruns} reruns", flush=True)
    return tally


def main() -> int:
    """Run the soak and print its last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[scenarios_folder()])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--load", type=int, default=os.cpu_count() or 1, help="busy processes beside it")
    parser.add_argument("--out", type=Path, default=Path("chat-chaos-runs/soak"))
    chosen = parser.parse_args()
    with foreign_load(chosen.load):
        tally = soak(chosen.runs, chosen.jobs, chosen.out, chosen.paths)
    for skipped in sorted(tally.skipped):
        print(f"skipped {skipped}")
    print(
        f"soak: {dict(tally.verdicts)} in {tally.verdicts.total()} runs, {'holds' if tally.holds else 'DOES NOT HOLD'}"
    )
    return 0 if tally.holds else 1


if __name__ == "__main__":
    sys.exit(main())
