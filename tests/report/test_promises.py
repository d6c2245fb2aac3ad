"""What a stack promises beside what became of it."""

from __future__ import annotations

from pathlib import Path

from harness.core.results import CheckResult
from harness.core.stack import Promises
from harness.core.verdicts import Verdict
from harness.engine.judge import judge_folder
from harness.engine.promised import by_promise
from harness.report.html.page import write_report
from harness.report.promises import promise_rows
from harness.report.style import Style
from harness.report.text import Detail, Judged, describe_run


def _check(name: str, verdict: Verdict | None) -> CheckResult:
    return CheckResult(id=name, verdict=verdict, required=False, exercised=3, violations=0)


def test_each_promise_has_the_worst_verdict_of_its_checks() -> None:
    """What had nothing to look at adds nothing; what is owed by every stack stands apart."""
    found = by_promise(
        [
            _check("acked_never_lost", Verdict.FAIL),
            _check("order", Verdict.PASS),
            _check("no_duplicates", None),
            _check("no_leaks", Verdict.PASS),
        ],
        Promises(durability="process_crash", order="sender"),
    )
    told = {one.promise: (one.promised, one.verdict, one.checks) for one in found}
    assert told["durability"] == ("process_crash", Verdict.FAIL, ("acked_never_lost",))
    assert told["order"] == ("sender", Verdict.PASS, ("order",))
    assert told["idempotency_window"] == (None, None, ())
    assert told["always"] == (None, Verdict.PASS, ("no_leaks",))


def test_a_lost_message_stands_beside_the_durability_that_was_promised(lost_message: Path) -> None:
    """On the console, in the results and on the page; what is not promised is said not to be judged."""
    result = judge_folder(lost_message)
    rows = {row.name: row for row in promise_rows(result)}
    assert (rows["durability"].promised, rows["durability"].verdict) == ("process crash", "fail")
    assert (rows["deliver within"].promised, rows["retention"].verdict) == ("5 s", "not judged")
    lines = describe_run(Judged(result), Style(enabled=False), Detail(verbose=True))
    assert any(line.startswith("  promise   durability: process crash -> fail  ") for line in lines)
    assert "  promise   retention: not promised -> not judged" in lines
    assert not any("promise " in line for line in describe_run(Judged(result), Style(enabled=False), Detail()))
    page = write_report(lost_message).read_text()
    assert "What the stack promises, and what became of it" in page
    assert "process crash" in page
