"""The story of the message that a broken promise is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.results import RunResult, Witness
from harness.history.ingest import open_history
from harness.history.trace import render, trace
from harness.report.text import telling


def life_of(sources: Sequence[Path], result: RunResult) -> str:
    """Return the rendered life of the message that a broken promise is about; empty when none names a message."""
    witness = telling_witness(result)
    if witness is None:
        return ""
    with open_history(sources) as history:
        return render(trace(history, _message(witness)), missing=witness)


def telling_witness(result: RunResult) -> Witness | None:
    """Return the witness to tell about: it names a message, of a check that the scenario requires if possible."""
    broken = sorted((check for check in result.checks if check.violations), key=lambda check: not check.required)
    return next((witness for check in broken for witness in telling(check.witnesses) if _message(witness)), None)


def _message(witness: Witness) -> str:
    return witness.client_message_id or witness.message_id or ""
