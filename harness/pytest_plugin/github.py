"""Tells GitHub Actions: an annotation at the line of each scenario that did not pass, and a table for the job."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OTHERS = ("pytest_github_actions_annotate_failures", "github-actions-annotate-failures")
"""Plugins that annotate failed tests by themselves, whichever name they go by."""


MET = {"pass", *(f"{verdict} (expected)" for verdict in ("fail", "inconclusive"))}
"""What needs no annotation: it held, or it was listed beforehand."""


@dataclass(frozen=True, slots=True)
class Told:
    """One scenario as the controller heard of it; ``line`` counts from 1."""

    file: str
    line: int
    name: str
    verdict: str
    reason: str
    folder: str


def active(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this runs in a job of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def workflow_commands(told: Iterable[Told], diagnostics: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return workflow commands for what did not pass and for what is wrong with files, each once."""
    from harness.scenario.diagnostics import Diagnostic, render_github  # noqa: PLC0415 - only in such a job

    found = [Diagnostic(**one) for one in diagnostics]
    found += [
        Diagnostic(one.file, one.line, 1, f"chat-chaos {one.verdict}: {one.name}", one.reason)
        for one in told
        if one.verdict not in MET
    ]
    return list(dict.fromkeys(render_github([one]) for one in found))


def write_summary(told: Sequence[Told], environ: Mapping[str, str] = os.environ) -> None:
    """Append a table to the summary of the job, where there is one."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path or not told:
        return
    rows = [f"| {_cell(one.name)} | {one.verdict} | {_cell(one.reason)} |" for one in told]
    table = ["### chat-chaos", "", "| scenario | verdict | why |", "| --- | --- | --- |", *rows, "", ""]
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("\n".join(table))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
