"""Which seeded defect is caught by which check in which scenario: the proof that the checks can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.core.errors import NothingSelected
from harness.core.plan import ScenarioPlan
from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.engine.defects import plantable, titles
from harness.engine.options import RunOptions
from harness.engine.session import Job, check_choices, job_for, playable, run_jobs, stack_for
from harness.engine.stream import Listener


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario against one mutant (None: the healthy backend), as often as asked.

    ``expected`` is the check that has to catch the mutant here; None where nothing is expected of the mutant.
    """

    scenario: str
    mutant: str | None
    expected: str | None
    results: tuple[RunResult, ...]

    @property
    def holds(self) -> bool:
        """Whether every repetition came out as expected."""
        if self.mutant is None:
            return all(result.counts_as is Verdict.PASS for result in self.results)
        if self.expected is None:
            return all(result.verdict is not Verdict.ERROR for result in self.results)
        return all(self.expected in failing(result) for result in self.results)

    @property
    def caught_by(self) -> tuple[str, ...]:
        """Checks that failed in at least one repetition, in order of their names."""
        return tuple(sorted({check for result in self.results for check in failing(result)}))


def failing(result: RunResult) -> frozenset[str]:
    """Return the ids of the checks that found a violation."""
    return frozenset(check.id for check in result.checks if check.verdict is Verdict.FAIL)


async def run_matrix(
    plans: Sequence[ScenarioPlan], options: RunOptions, listener: Listener, *, full: bool, repeat: int
) -> list[Cell]:
    """Run each scenario against the healthy backend and its mutants (with ``full``: against all of them).

    Raises ``UsageError`` for a choice that does not exist and ``NothingSelected`` when nothing is left to run.
    """
    check_choices(options)
    options = replace(options, fail_fast=False)
    plans = [plan for plan in plans if playable(Job(plan, stack_for(plan, options), options), listener)]
    if not plans:
        raise NothingSelected("no scenario was left to run", hint="see what was skipped above, or widen the selection")
    columns = _columns(plans, lambda plan, mutant: plantable(mutant, stack_for(plan, options)), full=full)
    wanted = [(plan, mutant) for mutant, chosen in columns for plan in chosen for _ in range(repeat)]
    jobs = [job_for(plan, replace(options, mutant=mutant)) for plan, mutant in wanted]
    results = await run_jobs(jobs, listener, at_once=options.jobs)
    found: dict[tuple[str, str | None], list[RunResult]] = {}
    for (plan, mutant), result in zip(wanted, results, strict=True):
        found.setdefault((plan.id, mutant), []).append(result)
    expected = {plan.id: plan.catches for plan in plans}
    return [
        Cell(scenario, mutant, expected[scenario].get(mutant or ""), tuple(results))
        for (scenario, mutant), results in found.items()
    ]


def never_caught(cells: Sequence[Cell]) -> list[str]:
    """Return mutants that no scenario is expected to catch and did: a defect without a proof."""
    proven = {cell.mutant for cell in cells if cell.expected is not None and cell.holds}
    return [name for name in titles() if name not in proven]


def _columns(
    plans: Sequence[ScenarioPlan], plantable_in: Callable[[ScenarioPlan, str], bool], *, full: bool
) -> Iterator[tuple[str | None, list[ScenarioPlan]]]:
    yield None, list(plans)
    for mutant in titles():
        wanted = [plan for plan in plans if mutant in plan.catches or (full and plantable_in(plan, mutant))]
        if wanted:
            yield mutant, wanted
