"""``run --json``."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.core.plan import ScenarioPlan
from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished, RunSkipped
from harness.report.json_report import document

Finished = Callable[..., RunFinished]
Planned = Callable[..., ScenarioPlan]


def test_the_document_has_verdict_code_and_runs(plan: Planned, finished: Finished) -> None:
    """The document is the worst verdict, the exit code and each run as in its results.json."""
    results = [finished().result, finished(Verdict.FAIL).result]
    told = json.loads(document(results, [RunSkipped(plan(), "needs push")], 1))
    assert (told["verdict"], told["exit_code"]) == ("fail", 1)
    assert told["skipped"] == [{"scenario": "bad-day", "reason": "needs push"}]
    assert [run["verdict"] for run in told["runs"]] == ["pass", "fail"]
    assert told["runs"][1]["checks"][0]["witnesses"][0]["client_message_id"] == "c-1"
    unexercised = told["runs"][0]["checks"][1]
    assert (unexercised["id"], unexercised["verdict"], unexercised["exercised"]) == ("order", None, 0)
