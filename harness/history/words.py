"""Events in plain words, for people who read what became of a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.core.events import Event


class Facts(Protocol):
    """What is known about the message that an event is part of."""

    @property
    def recipient(self) -> str | None:
        """To whom it was sent."""
        ...


MISSING = {
    "stored": "the final reading does not have it: never stored, or lost since",
    "server_accepted": "no acknowledgement ever came",
    "recipient_online_delivered": "it never came over the live connection in time",
    "recipient_synced": "the device never got it, not even by syncing to the end",
    "client_send_started": "nobody sent it",
    "message_read": "nobody opened it",
    "push_sent": "the device, which was away, was not notified of it in time",
}
"""A step that should have been, in the words of its absence."""


def who(event: Event) -> str:
    """Return whose eyes saw it: a device where there is one, else the observer."""
    if event.observer == "oracle":
        return "archive"
    if event.observer == "provider":
        return event.provider or "push provider"
    return event.device or event.service or event.provider or event.observer


def describe(event: Event, facts: Facts) -> str:
    """Return what happened, in a few words."""
    said = _WORDS.get(event.event)
    return said(event, facts) if said else event.event.replace("_", " ")


def _started(event: Event, facts: Facts) -> str:
    attempt = event.attempt or 1
    again = "sends" if attempt == 1 else f"sends again (attempt {attempt})"
    return f"{again} to {facts.recipient}" if facts.recipient else again


def _accepted(event: Event, _: Facts) -> str:
    place = f", place {event.conversation_seq}" if event.conversation_seq is not None else ""
    return f"acknowledged as {event.message_id}{place}"


def _failed(event: Event, _: Facts) -> str:
    final = bool(event.detail and event.detail.get("final"))
    what = {"fail": "refused", "unknown": "no answer: stored or not, the client cannot know"}.get(
        event.outcome or "unknown", "failed"
    )
    return f"{what}{_why(event)}{'; the client gives up' if final else ''}"


def _retry(event: Event, _: Facts) -> str:
    return f"will try again in {event.delay_ms} ms" if event.delay_ms is not None else "will try again"


def _live(event: Event, _: Facts) -> str:
    return f"receives it live{_on(event)}"


def _synced(event: Event, _: Facts) -> str:
    return f"pulls it by a sync from cursor {event.cursor_from or 'none'} to {event.cursor_to or 'none'}"


def _to_device(event: Event, facts: Facts) -> str:
    return f"{_started(event, facts)}, to the device {(event.detail or {}).get('to')} alone"


def _receipt(event: Event, _: Facts) -> str:
    state = "read" if event.event == "read_receipt_received" else "delivered"
    return f"is told: {state} by {event.sender}" if event.sender else f"is told: {state}"


def _pushed(event: Event, _: Facts) -> str:
    return f"takes a push for {event.device}{_numbered(event)}"


def _not_pushed(event: Event, _: Facts) -> str:
    wait = f", asks for {event.retry_after_ms} ms" if event.retry_after_ms is not None else ""
    answer = event.provider_answer or event.http_status or "no answer"
    return f"does not take a push for {event.device}{_numbered(event)}: {answer}{wait}"


def _limited(event: Event, _: Facts) -> str:
    wait = f"; may come back in {event.retry_after_ms} ms" if event.retry_after_ms is not None else ""
    return f"is told of a limit{wait}"


def _numbered(event: Event) -> str:
    return f" (request {event.attempt})" if event.attempt and event.attempt > 1 else ""


def _in_archive(event: Event, _: Facts) -> str:
    place = f", place {event.conversation_seq}" if event.conversation_seq is not None else ""
    return f"the final reading for {event.recipient} has it as {event.message_id}{place}"


def _why(event: Event) -> str:
    reasons = [str(one) for one in (event.http_status, event.error_code) if one is not None]
    return f" ({' '.join(reasons)})" if reasons else ""


def _on(event: Event) -> str:
    return f" on connection {event.connection}" if event.connection else ""


_WORDS: dict[str, Callable[[Event, Facts], str]] = {
    "client_send_started": _started,
    "server_accepted": _accepted,
    "client_send_failed": _failed,
    "client_retry_scheduled": _retry,
    "message_persisted": lambda _event, _facts: "says that it stored it",
    "ack_sent": lambda _event, _facts: "says that it acknowledged it",
    "fanout_done": lambda _event, _facts: "says that it passed it on",
    "recipient_online_delivered": _live,
    "recipient_synced": _synced,
    "delivery_receipt_received": _receipt,
    "read_receipt_received": _receipt,
    "message_read": lambda _event, _facts: "is opened by its user",
    "push_sent": _pushed,
    "push_failed": _not_pushed,
    "push_displayed": lambda event, _: f"shows the push on {event.device}",
    "rate_limited": _limited,
    "to_device_send_started": _to_device,
    "to_device_accepted": lambda _event, _facts: "is told that it is kept for the device",
    "to_device_send_failed": _failed,
    "to_device_arrived": lambda event, _: f"receives it, to this device alone{_on(event)}",
    "to_device_confirmed": lambda _event, _facts: "has told the service that it is there",
    "oracle_read": _in_archive,
}
