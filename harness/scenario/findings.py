"""The section ``findings`` of a stack file: whether what it names exists, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.catalogue import checks
from harness.core.findings import VERSION, Finding
from harness.core.verdicts import Verdict
from harness.faults.registry import kinds as fault_kinds
from harness.scenario.mistakes import Mistake
from harness.scenario.scene import unknown
from harness.scenario.stackmodel import FindingModel, StackModel


def check_findings(model: StackModel) -> Iterator[Mistake]:
    """Yield what is wrong with the findings: names of checks, faults and parameters that there are not."""
    for name, finding in model.findings.items():
        if finding.check is not None and finding.check not in (known := checks()):
            yield unknown("check", finding.check, ("findings", name, "check"), known)
        for index, kind in enumerate(finding.faults):
            if kind not in (kinds := fault_kinds()):
                yield unknown("fault kind", kind, ("findings", name, "faults", index), kinds)
        for parameter in finding.given:
            if parameter not in model.parameters:
                yield unknown(
                    "parameter", parameter, ("findings", name, "given", parameter), model.parameters, on_key=True
                )
        if finding.versions is not None and VERSION not in model.parameters:
            text = f"the stack has no parameter '{VERSION}' to tell its release by"
            yield Mistake(("findings", name, "versions"), "unknown-name", text)


def findings_of(model: StackModel) -> tuple[Finding, ...]:
    """Return the findings in the order of the file."""
    return tuple(_finding(name, finding) for name, finding in model.findings.items())


def _finding(name: str, model: FindingModel) -> Finding:
    return Finding(
        id=name,
        scenarios=tuple(model.scenarios),
        faults=tuple(model.faults),
        check=model.check,
        gap=model.gap,
        says=model.says,
        verdict=Verdict(model.verdict),
        versions=model.versions or "",
        given={parameter: tuple(values) for parameter, values in model.given.items()},
        rate=model.rate,
        text=model.text,
        source=model.source,
    )
