"""The matrix of scenarios and seeded defects, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.core.verdicts import Verdict, worst
from harness.engine.matrix import Cell, failing
from harness.report.style import Style

_NOT_RUN = "-"


def verdict_of(cells: Sequence[Cell], unproven: Sequence[str]) -> Verdict:
    """Return pass when every cell came out as expected and no defect is without a proof, else the worst cell."""
    missed = [Verdict.FAIL] if unproven else []
    return worst([*missed, *(_verdict(cell) for cell in cells)])


def describe_matrix(cells: Sequence[Cell], unproven: Sequence[str], style: Style) -> list[str]:
    """Return a table with a row for each scenario and a column for each backend, then what did not hold."""
    lines = [*_table(cells, style), ""]
    broken = [cell for cell in cells if not cell.holds]
    lines += [f"{style.verdict(_verdict(cell))}  {_complaint(cell)}" for cell in broken]
    lines += [f"{style.verdict(Verdict.FAIL)}  no scenario proves that {name} is caught" for name in unproven]
    if not broken and not unproven:
        caught = sum(cell.expected is not None for cell in cells)
        runs = sum(len(cell.results) for cell in cells)
        lines.append(f"{style.verdict(Verdict.PASS)}  {caught} expected catches, {runs} runs, all as expected")
    return lines


def matrix_document(cells: Sequence[Cell], unproven: Sequence[str], exit_code: int) -> str:
    """Return ``{"verdict", "exit_code", "cells": [...], "unproven": [...]}``."""
    whole = {
        "verdict": verdict_of(cells, unproven),
        "exit_code": exit_code,
        "cells": [_cell_document(cell) for cell in cells],
        "unproven": list(unproven),
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _cell_document(cell: Cell) -> dict[str, object]:
    return {
        "scenario": cell.scenario,
        "mutant": cell.mutant,
        "expected": cell.expected,
        "holds": cell.holds,
        "caught_by": list(cell.caught_by),
        "verdicts": [result.verdict for result in cell.results],
        "runs": [result.run for result in cell.results],
    }


def _verdict(cell: Cell) -> Verdict:
    """What a cell adds to the verdict over the matrix: a catch is what is wanted, a miss is a broken promise."""
    if cell.holds:
        return Verdict.PASS
    if cell.mutant is None:
        return worst(result.counts_as for result in cell.results)
    if cell.expected is None:
        return Verdict.ERROR
    missed = [result.verdict for result in cell.results if cell.expected not in failing(result)]
    return Verdict.FAIL if {Verdict.PASS, Verdict.FAIL}.intersection(missed) else worst(missed)


def _complaint(cell: Cell) -> str:
    came_to = ", ".join(result.verdict for result in cell.results)
    if cell.mutant is None:
        return f"{cell.scenario} against the healthy backend: {came_to}"
    if cell.expected is None:
        return f"{cell.scenario} against {cell.mutant}: {came_to}"
    missed = sum(cell.expected not in failing(result) for result in cell.results)
    return f"{cell.scenario}: {cell.expected} missed {cell.mutant} in {missed} of {len(cell.results)} runs ({came_to})"


def _table(cells: Sequence[Cell], style: Style) -> list[str]:
    found = {(cell.scenario, cell.mutant): cell for cell in cells}
    scenarios = list(dict.fromkeys(cell.scenario for cell in cells))
    mutants = list(dict.fromkeys(cell.mutant for cell in cells))
    rows = [["", *(mutant or "healthy" for mutant in mutants)]]
    rows += [[name, *(_entry(found.get((name, mutant))) for mutant in mutants)] for name in scenarios]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    header, *body = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [style.paint(header, "bold"), *body]


def _entry(cell: Cell | None) -> str:
    if cell is None:
        return _NOT_RUN
    if cell.mutant is None or not cell.caught_by:
        return worst(result.verdict for result in cell.results).value
    return ",".join(cell.caught_by)
