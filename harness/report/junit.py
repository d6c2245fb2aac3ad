"""JUnit XML, as continuous integration reads it: one test case for each planned scenario, run or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.core.errors import UsageError
from harness.core.plan import ScenarioPlan
from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished, RunSkipped, RunStarted, StreamItem
from harness.report.text import describe_findings, verdict_in_full

# Characters that XML 1.0 cannot carry even escaped (section 2.2 of the recommendation).
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class JUnitReport:
    """Collects the last word on each planned scenario and writes the file on ``write``.

    A broken promise is a ``<failure>``, and so is a listed finding that stayed away; what was listed beforehand is
    ``<skipped type="expected">``; error and inconclusive are an ``<error>`` whose type names the verdict; a
    scenario that was underway when the session ended is an error too, one that cannot be played on
    this stack, or never started, is skipped.
    """

    def __init__(self, path: Path, planned: Sequence[ScenarioPlan]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise UsageError(
                f"cannot write the JUnit report {path}: {error.strerror}",
                hint="Give --junit a file in a writable folder.",
            ) from error
        self._path = path
        self._planned = planned
        self._started: set[tuple[str, str]] = set()
        self._finished: dict[tuple[str, str], RunFinished] = {}
        self._skipped: dict[tuple[str, str], str] = {}

    def __call__(self, item: StreamItem) -> None:
        """Take note of one fact."""
        if isinstance(item, RunSkipped):
            self._skipped[_key(item.plan)] = item.reason
        elif isinstance(item, RunStarted):
            self._started.add(_key(item.plan))
        elif isinstance(item, RunFinished) and not item.rerun:
            self._finished[_key(item.plan)] = item

    def write(self) -> None:
        """Write the file in one piece, so that a reader never sees half of it."""
        suite = ET.Element("testsuite", name="chat-chaos")
        for plan in self._planned:
            suite.append(self._case(plan))
        cases = suite.findall("testcase")
        tallies = {f"{kind}s": sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error")}
        suite.set("tests", str(len(cases)))
        suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
        for name, count in tallies.items():
            suite.set(name, str(count))
        suite.set("time", f"{sum(item.elapsed_s for item in self._finished.values()):.3f}")
        root = ET.Element("testsuites")
        root.append(suite)
        draft = self._path.with_name(f".{self._path.name}.part")
        ET.ElementTree(root).write(draft, encoding="utf-8", xml_declaration=True)
        draft.replace(self._path)

    def _case(self, plan: ScenarioPlan) -> ET.Element:
        case = ET.Element("testcase", classname=f"chat-chaos.{_clean(plan.name)}", name=_clean(plan.id))
        item = self._finished.get(_key(plan))
        if item is None:
            case.append(self._unfinished(plan))
            return case
        case.set("time", f"{item.elapsed_s:.3f}")
        case.append(_properties(item))
        outcome = _outcome(item.result)
        if outcome is not None:
            case.append(outcome)
        return case

    def _unfinished(self, plan: ScenarioPlan) -> ET.Element:
        if _key(plan) in self._skipped:
            return ET.Element("skipped", message=_clean(self._skipped[_key(plan)]))
        if _key(plan) in self._started:
            return _element("error", "interrupted", "the session ended while this scenario was running")
        return ET.Element("skipped", message="not run: the session ended before its turn")


def _key(plan: ScenarioPlan) -> tuple[str, str]:
    return plan.source, plan.id


def _properties(item: RunFinished) -> ET.Element:
    result = item.result
    values = {"run": result.run, "seed": str(result.seed), "stack": result.stack, "folder": str(item.folder)}
    values |= {"mutant": result.mutant} if result.mutant else {}
    values |= {"simulated": "true"} if result.simulated else {}
    values |= {"expected": ", ".join(result.expected)} if result.expected else {}
    properties = ET.Element("properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    return properties


def _outcome(result: RunResult) -> ET.Element | None:
    if result.counts_as is Verdict.PASS:
        known = f"{verdict_in_full(result)}: {'; '.join(describe_findings(result))}"
        return _element("skipped", "expected", known) if result.expected else None
    if result.missed and not result.unlisted:
        return _element("failure", "unexpected_pass", "; ".join(describe_findings(result)), result.replay)
    sentences = [reason.text for reason in result.unlisted] or [str(result.verdict)]
    body = "\n".join([*sentences, *_witnesses(result), f"replay: {result.replay}"])
    if result.counts_as is Verdict.FAIL:
        broken = next((reason.check for reason in result.unlisted if reason.check), None)
        return _element("failure", broken or "fail", sentences[0], body)
    return _element("error", str(result.counts_as), sentences[0], body)


def _witnesses(result: RunResult) -> list[str]:
    return [f"{check.id}: {witness.text}" for check in result.checks for witness in check.witnesses]


def _element(tag: str, kind: str, message: str, body: str = "") -> ET.Element:
    element = ET.Element(tag, type=_clean(kind), message=_clean(message))
    element.text = _clean(body) or None
    return element


def _clean(text: str) -> str:
    """Take out what XML cannot carry."""
    return _UNPRINTABLE.sub("", text)
