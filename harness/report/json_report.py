"""The whole session as one JSON document (``run --json``)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.core.results import RunResult
from harness.core.verdicts import worst
from harness.engine.stream import RunSkipped


def document(results: Sequence[RunResult], skipped: Sequence[RunSkipped], exit_code: int) -> str:
    """Return ``{"verdict", "exit_code", "runs": [...], "skipped": [...]}``; a run is exactly its ``results.json``."""
    whole = {
        "verdict": worst(result.verdict for result in results),
        "exit_code": exit_code,
        "runs": list(results),
        "skipped": [{"scenario": item.plan.id, "reason": item.reason} for item in skipped],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
