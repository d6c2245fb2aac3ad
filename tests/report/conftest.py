"""Facts of imaginary runs, as the engine would tell them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.plan import FaultPlan, PersonPlan, PhasePlan, ScenarioPlan, Start
from harness.core.results import CheckResult, Counts, FaultResult, Reason, Witness
from harness.core.stack import Promises, promises_as_data
from harness.core.verdicts import Verdict
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.judge import judge_folder
from harness.engine.stream import RunFinished
from harness.testing.histories import HistoryBuilder, at_ns
from harness.testing.results import judged

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
        "run": f"run-{plan.id}",
        "scenario": plan.name,
        "params": plan.matrix,
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
        "promises": {"durability": "process_crash"},
        "replay": "chat-chaos run scenarios/bad-day.chaos.yaml --seed 7",
    }
    result = judged(verdict, **(facts | changes))
    return RunFinished(run=result.run, plan=plan, result=result, folder=Path("runs/x"), elapsed_s=12.34, rerun=False)


def make_run_folder(folder: Path, history: HistoryBuilder, *faults: FaultPlan, **changes: object) -> Path:
    """The folder of a run of which these events were recorded; without results, like one that was killed."""
    ended = history.add("writer_closed", 60.0).add("writer_closed", 60.0, observer="oracle")
    ended.add("writer_closed", 60.0, observer="engine").write(folder / "events")
    promises = Promises(durability="process_crash", order="conversation", deliver_within_s=5.0)
    facts: dict[str, object] = {
        "v": 1,
        "run": "run-1",
        "scenario": "bad-day",
        "params": {},
        "source": "scenarios/bad-day.chaos.yaml",
        "seed": 7,
        "attempt": 1,
        "stack": "reference",
        "launcher": "embedded",
        "proxy": "embedded",
        "mutant": None,
        "versions": {"chat-chaos": "1"},
        "scenario_sha256": "0" * 64,
        "promises": promises_as_data(promises),
        "faults": faults,
        "required_checks": ("acked_never_lost",),
        "recover_within_s": 10.0,
        "replay": "chat-chaos run scenarios/bad-day.chaos.yaml --seed 7",
    }
    RunFolder(folder).write_facts(RunFacts(**(facts | changes)), "title: 'A bad day'\n")  # type: ignore[arg-type]
    (folder / "logs").mkdir()
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes folders of runs."""

    def write(history: HistoryBuilder, *faults: FaultPlan, **changes: object) -> Path:
        return make_run_folder(tmp_path / "run", history, *faults, **changes)

    return write


@pytest.fixture(scope="session")
def lost_message(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judged run with three messages, the second of which was acknowledged, delivered and lost in a crash."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.fault("crash", 3.2, 4.0, kind="process.kill")
    messages = [builder.send(name, at_s) for name, at_s in (("m1", 2.0), ("m2", 3.0), ("m3", 6.0))]
    for message in messages:
        builder.live(message, "bob/phone", message.answered_s + 0.02)
    builder.final_sync("alice/phone", "bob/phone").archive(["alice", "bob"], [messages[0], messages[2]])
    crash = FaultPlan("crash", "process.kill", "client->chat", Start(at_s=1.0), for_s=0.8)
    folder = make_run_folder(tmp_path_factory.mktemp("lost") / "run", builder, crash)
    words = (("message_persisted", 3.004), ("ack_sent", 3.006), ("shutdown", 9.0))
    lines = [f'{{"mono_ns":{at_ns(at_s)},"event":"{event}","message_id":"s-m2"}}\n' for event, at_s in words]
    (folder / "logs" / "service.log").write_text("".join(lines))
    RunFolder(folder).write_results(judge_folder(folder))
    return folder


@pytest.fixture
def plan() -> Callable[..., ScenarioPlan]:
    """Makes scenarios."""
    return make_plan


@pytest.fixture
def finished() -> Callable[..., RunFinished]:
    """Makes finished runs."""
    return make_finished
