"""The story of the message that a broken promise is about, for the console."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.results import RunResult, Witness


def life_of(sources: Sequence[Path], result: RunResult) -> str:
    """Return the rendered life of the first witness of the first broken check; empty when it names no message."""
    from harness.history.ingest import open_history
    from harness.history.trace import render, trace

    message = first_message(result)
    if message is None:
        return ""
    with open_history(sources) as history:
        return render(trace(history, message))


def first_message(result: RunResult) -> str | None:
    """Return the id of the message to tell about, by the client's id where there is one.

    Required checks come first: they are what the scenario is about.
    """
    broken = sorted((check for check in result.checks if check.witnesses), key=lambda check: not check.required)
    for check in broken:
        for witness in check.witnesses:
            message = _id(witness)
            if message:
                return message
    return None


def _id(witness: Witness) -> str | None:
    return witness.client_message_id or witness.message_id
