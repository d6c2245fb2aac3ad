"""What the twins know of pushes: every request that a provider got, as it saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.events import Event

GONE = 410
PASSING = frozenset({408, 425, 429})
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Request:
    """One request from its arrival to its answer."""

    message_id: str
    push_ref: str | None
    device: str | None
    taken: bool
    unregistered: bool
    retryable: bool
    retry_after_ms: int | None
    started_ns: int
    ended_ns: int


def requests_of(events: Sequence[Event]) -> list[Request]:
    """Return all requests in the order of their answers, from events in the order of their time."""
    return [
        _request(event, event.message_id)
        for event in events
        if event.observer == "provider" and event.event in {"push_sent", "push_failed"} and event.message_id
    ]


def _request(event: Event, message_id: str) -> Request:
    status, taken = event.http_status, event.event == "push_sent"
    unregistered = event.provider_answer == "unregistered" or status == GONE
    passing = status is None or status in PASSING or status >= SERVER_ERROR
    took_ns = round(float((event.detail or {}).get("took_ms", 0)) * 1e6)
    return Request(
        message_id=message_id,
        push_ref=event.push_ref,
        device=event.device,
        taken=taken,
        unregistered=unregistered,
        retryable=not taken and not unregistered and passing,
        retry_after_ms=event.retry_after_ms,
        started_ns=event.mono_ns - took_ns,
        ended_ns=event.mono_ns,
    )
