"""The whole session as one JSON document (``run --json``)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.core.results import RunResult
from harness.core.verdicts import worst


def document(results: Sequence[RunResult], exit_code: int) -> str:
    """Return ``{"verdict", "exit_code", "runs": [...]}``; each run is exactly its ``results.json``."""
    whole = {"verdict": worst(result.verdict for result in results), "exit_code": exit_code, "runs": list(results)}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
