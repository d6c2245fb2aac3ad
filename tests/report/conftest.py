"""Facts of imaginary runs, as the engine would tell them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.plan import PersonPlan, PhasePlan, ScenarioPlan
from harness.core.results import CheckResult, Counts, FaultResult, Reason, RunResult, Witness
from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished

LOST = "alice's message c-1 was acknowledged and is absent from the oracle"


def make_plan(name: str = "bad-day", **matrix: str) -> ScenarioPlan:
    """A scenario without faults between two people."""
    return ScenarioPlan(
        name=name,
        title="A bad day",
        source=f"scenarios/{name}.chaos.yaml",
        line=1,
        stack="reference",
        people=(PersonPlan("alice"), PersonPlan("bob")),
        workloads=(),
        phases=PhasePlan(1, 2, 1),
        faults=(),
        required_checks=("acked_never_lost",),
        catches={},
        matrix=matrix,
    )


def make_finished(verdict: Verdict = Verdict.PASS, plan: ScenarioPlan | None = None, **changes: object) -> RunFinished:
    """A run of that verdict, with one check and one fault that fit it."""
    plan = plan or make_plan()
    failed = verdict is Verdict.FAIL
    witness = Witness(text=LOST, client_message_id="c-1", message_id="m-1", faults=("crash",))
    gap = "not_felt" if verdict is Verdict.INCONCLUSIVE else None
    sentences = {
        Verdict.PASS: (),
        Verdict.FAIL: (Reason(code="violated", check="acked_never_lost", text="an acknowledged message was lost"),),
        Verdict.ERROR: (Reason(code="not_healed", fault="crash", text="the proxy did not confirm the heal"),),
        Verdict.INCONCLUSIVE: (Reason(code="not_felt", fault="crash", text="no traffic met the fault"),),
    }
    facts: dict[str, object] = {
        "v": 1,
        "run": f"run-{plan.id}",
        "scenario": plan.name,
        "params": plan.matrix,
        "seed": 7,
        "stack": "reference",
        "launcher": "embedded",
        "proxy": "embedded",
        "verdict": verdict,
        "exit_code": verdict.exit_code,
        "attempts": 1,
        "reasons": sentences[verdict],
        "counts": Counts(events=400, sent=41, accepted=40),
        "checks": (
            CheckResult(
                id="acked_never_lost",
                verdict=Verdict.FAIL if failed else Verdict.PASS,
                required=True,
                exercised=40,
                violations=int(failed),
                witnesses=(witness,) if failed else (),
            ),
            CheckResult(id="order", verdict=None, required=False, exercised=0, violations=0),
        ),
        "faults": (
            FaultResult(
                id="crash",
                kind="process.kill",
                target="chat",
                rung="installed" if gap else "recovered",
                gap=gap,
                exposed=0 if gap else 3,
            ),
        ),
        "slos": (),
        "promises": {"durability": "process_crash"},
        "not_judged": (),
        "replay": "chat-chaos run scenarios/bad-day.chaos.yaml --seed 7",
    }
    result = RunResult(**(facts | changes))  # type: ignore[arg-type]
    return RunFinished(run=result.run, plan=plan, result=result, folder=Path("runs/x"), elapsed_s=12.34, rerun=False)


@pytest.fixture
def plan() -> Callable[..., ScenarioPlan]:
    """Makes scenarios."""
    return make_plan


@pytest.fixture
def finished() -> Callable[..., RunFinished]:
    """Makes finished runs."""
    return make_finished
