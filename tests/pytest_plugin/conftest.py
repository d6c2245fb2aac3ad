"""Inner pytest sessions, in which a fake plays the scenarios through the hook ``pytest_chaos_run``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

# Loaded before any inner session: what is loaded inside one is unloaded after it, which extension modules do not bear.
import harness.pytest_plugin.loading
import harness.pytest_plugin.playing
import harness.report.html  # noqa: F401 - as above

SCENARIO = """\
version: 1
name: {name}
title: The lift has no signal
tags: [{tags}]
stack: reference
{matrix}people: {{alice: {{devices: [phone]}}, bob: {{devices: [phone]}}}}
workload: [{{kind: direct, from: alice, to: bob, rate: 10/s}}]
phases: {{baseline: 1s, observe: 8s, quiet: 1s}}
faults:
  cut: {{kind: network.down, link: "client:alice->chat", start: {{at: 1s}}, for: {duration}}}
expect:
  checks: [acked_never_lost]
"""

FAKE = '''\
"""Plays nothing and comes to the verdicts that the test wants."""

import json
import os
from pathlib import Path

from harness.core.findings import Finding
from harness.core.results import CheckResult, FaultResult, Reason, Witness
from harness.core.verdicts import Verdict
from harness.engine.findings import settled
from harness.engine.folder import RunFolder
from harness.engine.stream import FaultMoved, PhaseStarted, RunFinished, RunSkipped, RunStarted
from harness.testing.results import judged as outcome

VERDICTS = {verdicts!r}
LOST = "message m-1 was acknowledged and is missing"
REASONS = {{
    "fail": Reason(code="violated", check="acked_never_lost", text=LOST, verdict=Verdict.FAIL),
    "inconclusive": Reason(code="not_felt", text="fault cut met no traffic", verdict=Verdict.INCONCLUSIVE),
    "error": Reason(code="environment", text="service chat did not start", verdict=Verdict.ERROR),
}}
FAULT = FaultResult(
    id="cut", kind="network.down", target="client:alice->chat", rung="installed", gap=None, exposed=3
)


def pytest_chaos_run(plan, options, listener):
    note(plan, options)
    word = VERDICTS.get(plan.name, "pass")
    if word.startswith("unsupported"):
        listener(RunSkipped(plan, word))
        return True
    run = f"{{plan.name}}-{{options.worker or 'main'}}-{{'-'.join(plan.matrix.values())}}"
    folder = RunFolder.create(options.out, run)
    (folder.logs / "chat.log").write_text("the last words of the service\\n")
    word, _, known = word.partition(" known ")
    result = judged(word, run, plan, options)
    if known:
        listed = Finding("late", known, "It is late.", "docs", scenarios=(plan.name,), check="acked_never_lost")
        result = settled(result, [listed])
    folder.write_results(result)
    listener(RunStarted(run, plan, options.seed, folder.path, 1, options.mutant))
    listener(PhaseStarted(run, "baseline", 1.0))
    listener(PhaseStarted(run, "inject", 1.0))
    listener(FaultMoved(run, FAULT))
    listener(RunFinished(run, plan, result, folder.path, 1.5, False))
    return True


def note(plan, options):
    chosen = {{name: str(getattr(options, name)) for name in options.__slots__}}
    with Path("played.jsonl").open("a") as file:
        file.write(json.dumps({{"id": plan.id, "pid": os.getpid(), **chosen}}) + "\\n")


def judged(word, run, plan, options):
    verdict, broken = Verdict(word), word == "fail"
    check = CheckResult(
        id="acked_never_lost", verdict=verdict, required=True, exercised=9, violations=int(broken),
        witnesses=(Witness(text=LOST),) if broken else (),
    )
    return outcome(
        verdict, run=run, scenario=plan.name, params=plan.matrix, seed=options.seed, mutant=options.mutant,
        reasons=(REASONS[word],) if word in REASONS else (), checks=(check,), faults=(FAULT,),
    )
'''

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _quick(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave plugins out of inner sessions that only take time; Locust's stays, as users have it."""
    del pytester  # it clears the variable, so it comes first
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:faker -p no:cacheprovider")


@pytest.fixture
def scenario(pytester: pytest.Pytester) -> Write:
    """Write a scenario file into the inner session's folder."""

    def write(name: str = "lift", *, file: str = "", tags: str = "network", matrix: str = "") -> Path:
        path = pytester.path / (file or f"{name}.chaos.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        axes = f"matrix: {{{matrix}}}\n" if matrix else ""
        duration = '"${matrix.cut}"' if "cut" in matrix else "1s"
        path.write_text(SCENARIO.format(name=name, tags=tags, matrix=axes, duration=duration))
        return path

    return write


@pytest.fixture
def fake(pytester: pytest.Pytester) -> Callable[..., None]:
    """Let a fake play: scenarios pass unless a verdict is given by their name (``lift="fail"``)."""

    def play(**verdicts: str) -> None:
        pytester.makeconftest(FAKE.format(verdicts=verdicts))

    return play
