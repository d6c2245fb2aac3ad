"""The whole session as one JSON document (``run --json``)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.core.results import RunResult
from harness.core.verdicts import worst
from harness.engine.stream import RunSkipped
from harness.report.text import tally_findings


def document(results: Sequence[RunResult], skipped: Sequence[RunSkipped], exit_code: int) -> str:
    """Return ``{"verdict", "exit_code", "runs": [...], "skipped": [...], "findings": [...]}``.

    A run is exactly its ``results.json``; the verdict over all counts what was listed beforehand as a pass.
    """
    whole = {
        "verdict": worst(result.counts_as for result in results),
        "exit_code": exit_code,
        "runs": list(results),
        "skipped": [{"scenario": item.plan.id, "reason": item.reason} for item in skipped],
        "findings": tally_findings(results),
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
