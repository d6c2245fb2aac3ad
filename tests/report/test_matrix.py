"""The matrix of scenarios and seeded defects."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.core.results import CheckResult
from harness.core.verdicts import Verdict
from harness.engine.matrix import Cell
from harness.engine.stream import RunFinished
from harness.report.matrix import describe_matrix, matrix_document, verdict_of
from harness.report.style import Style

Finished = Callable[..., RunFinished]
PLAIN = Style(enabled=False)


def _cells(finished: Finished, second: Verdict = Verdict.FAIL) -> list[Cell]:
    held, lost = finished().result, finished(Verdict.FAIL).result
    doubled = CheckResult(id="no_duplicates", verdict=Verdict.FAIL, required=False, exercised=9, violations=1)
    return [
        Cell("crash", None, None, (held, held)),
        Cell("cut", None, None, (held, held)),
        Cell("crash", "ack_before_store", "acked_never_lost", (lost, finished(second).result)),
        Cell("cut", "no_dedup", None, (finished(Verdict.FAIL, checks=(doubled,)).result,)),
    ]


def test_a_matrix_that_holds_is_a_table_and_one_line(finished: Finished) -> None:
    """Each cell names the check that caught the defect; what was not run is a dash."""
    assert describe_matrix(_cells(finished), [], PLAIN) == [
        "       healthy  ack_before_store  no_dedup",
        "crash  pass     acked_never_lost  -",
        "cut    pass     -                 no_duplicates",
        "",
        "PASS  1 expected catches, 7 runs, all as expected",
    ]
    assert verdict_of(_cells(finished), []) is Verdict.PASS


def test_a_miss_is_a_failure_that_says_how_often(finished: Finished) -> None:
    """A defect that slipped through once in two runs breaks the promise of the catalogue."""
    cells = _cells(finished, Verdict.PASS)
    assert verdict_of(cells, []) is Verdict.FAIL
    assert describe_matrix(cells, [], PLAIN)[-1] == (
        "FAIL  crash: acked_never_lost missed ack_before_store in 1 of 2 runs (fail, pass)"
    )


def test_a_run_that_proves_nothing_is_no_miss(finished: Finished) -> None:
    """When the run was inconclusive or broken, the matrix is, not the check."""
    assert verdict_of(_cells(finished, Verdict.INCONCLUSIVE), []) is Verdict.INCONCLUSIVE
    assert verdict_of(_cells(finished, Verdict.ERROR), []) is Verdict.ERROR


def test_a_defect_without_a_proof_is_a_failure(finished: Finished) -> None:
    """A mutant that no scenario is expected to catch is named."""
    lines = describe_matrix(_cells(finished), ["fanout"], PLAIN)
    assert lines[-1] == "FAIL  no scenario proves that fanout is caught"
    assert verdict_of(_cells(finished), ["fanout"]) is Verdict.FAIL


def test_the_document_has_every_cell(finished: Finished) -> None:
    """As JSON each cell has what was expected, what caught it and its runs."""
    told = json.loads(matrix_document(_cells(finished), [], 0))
    assert (told["verdict"], told["exit_code"], len(told["cells"])) == ("pass", 0, 4)
    assert told["cells"][2]["caught_by"] == ["acked_never_lost"]
    assert told["cells"][2]["verdicts"] == ["fail", "fail"]
