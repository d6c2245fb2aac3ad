"""Tells allure-pytest of a run: labels, one step per phase and fault, attachments.

Only while its plugin writes results; otherwise Allure is not even imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from harness.checks.catalogue import checks
from harness.core.plan import ScenarioPlan
from harness.core.verdicts import Verdict
from harness.engine.options import RunOptions
from harness.pytest_plugin.evidence import Evidence
from harness.pytest_plugin.runlog import RunLog

if TYPE_CHECKING:
    from allure_commons.model2 import TestStepResult

LISTENER = "allure_listener"
"""Name under which allure-pytest registers what collects results, with ``--alluredir`` only."""

SEVERITIES = {"critical": "critical", "major": "normal", "minor": "minor"}
STATUSES = {Verdict.PASS: "passed", Verdict.FAIL: "failed"}
BROKEN = "broken"


class _Listener(Protocol):
    allure_logger: Any


def of(config: pytest.Config) -> AllureReport | None:
    """Return the report of this session, or None when nobody asked for one."""
    listener: _Listener | None = config.pluginmanager.get_plugin(LISTENER)
    return None if listener is None else AllureReport(listener)


class AllureReport:
    """The running test as Allure shows it."""

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener

    def describe(self, plan: ScenarioPlan, options: RunOptions) -> None:
        """Set title and labels; each axis of the matrix is a parameter, so that each entry has a history of its own."""
        allure = _allure()
        allure.dynamic.title(plan.title)
        allure.dynamic.description(f"Scenario {plan.id}, {plan.source} line {plan.line}")
        allure.dynamic.epic(Path(options.stack or plan.stack).stem)
        if kinds := tuple(dict.fromkeys(fault.kind for fault in plan.faults)):
            allure.dynamic.feature(*kinds)
        if plan.required_checks:
            allure.dynamic.story(*plan.required_checks)
        allure.dynamic.severity(allure.severity_level(_severity(plan)))
        allure.dynamic.label("layer", "chaos")
        for axis, value in plan.matrix.items():
            allure.dynamic.parameter(axis, value)
        if options.mutant is not None:
            allure.dynamic.parameter("mutant", options.mutant)

    def tell(self, log: RunLog, evidence: Evidence) -> None:
        """Add the steps with their times, and what explains them."""
        test = self._listener.allure_logger.get_test(None)
        steps = [*_phases(log), *_faults(log), _judgement(log, evidence)]
        test.steps.extend(sorted(steps, key=lambda step: step.start))
        self.attach(evidence)

    def attach(self, evidence: Evidence) -> None:
        """Attach timeline, logs, the scenario as executed, the results and the way to run it again."""
        allure = _allure()
        text = allure.attachment_type.TEXT
        for title, body in evidence.sections():
            allure.attach(body, title.removeprefix("chat-chaos "), text)
        files = {
            "scenario.yaml": allure.attachment_type.YAML,
            "results.json": allure.attachment_type.JSON,
            "report.html": allure.attachment_type.HTML,
        }
        for name, kind in files.items():
            if (evidence.folder / name).is_file():
                allure.attach.file(str(evidence.folder / name), name, kind)
        allure.attach("\n".join(dict.fromkeys([evidence.result.replay, evidence.again])), "replay", text)


def _allure() -> Any:
    return import_module("allure")


def _severity(plan: ScenarioPlan) -> str:
    """The severity of the gravest check that the scenario requires."""
    known = checks()
    found = {known[name].severity for name in plan.required_checks if name in known}
    return next((label for severity, label in SEVERITIES.items() if severity in found), "normal")


def _phases(log: RunLog) -> Iterator[TestStepResult]:
    ends = [moment.at_s for moment in log.phases[1:]] + [log.ended_s]
    for moment, end_s in zip(log.phases, ends, strict=True):
        yield _step(moment.name, moment.at_s, end_s, "passed")


def _faults(log: RunLog) -> Iterator[TestStepResult]:
    """The window of each fault, from its command to its healing."""
    results = {fault.id: fault for fault in log.finished.result.faults} if log.finished else {}
    for name, fault in results.items():
        moments = [at_s for at_s, moved in log.faults if moved.id == name]
        if not moments:
            continue
        title = f"fault {name}: {fault.kind} on {fault.target}"
        facts = {"rung": fault.rung, "exposed": str(fault.exposed)} | ({"gap": fault.gap} if fault.gap else {})
        yield _step(title, moments[0], moments[-1], BROKEN if fault.gap else "passed", facts)


def _judgement(log: RunLog, evidence: Evidence) -> TestStepResult:
    verdict = evidence.result.verdict
    facts = {"verdict": str(verdict)} | ({} if verdict is Verdict.PASS else {"reason": evidence.reason})
    return _step("judge", log.ended_s, log.ended_s, STATUSES.get(verdict, BROKEN), facts)


def _step(name: str, start_s: float, stop_s: float, status: str, facts: dict[str, str] | None = None) -> TestStepResult:
    from allure_commons.model2 import Parameter, TestStepResult  # noqa: PLC0415 - only while a report is written

    parameters = [Parameter(name=key, value=value) for key, value in (facts or {}).items()]
    return TestStepResult(
        name=name, start=round(start_s * 1000), stop=round(stop_s * 1000), status=status, parameters=parameters
    )
