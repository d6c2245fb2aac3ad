"""What became of one message, in one word: every message ends in exactly one outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.events import Event, Via

Word = Literal["unacknowledged", "delivered", "bounced", "bounced_yet_delivered", "silently_lost"]
ARRIVALS = frozenset({"recipient_online_delivered", "recipient_synced"})
TABLE: dict[tuple[bool, bool, bool], Word] = {
    # it came back, somebody else got it, it was acknowledged
    (False, False, False): "unacknowledged",
    (False, False, True): "silently_lost",
    (False, True, False): "delivered",
    (False, True, True): "delivered",
    (True, False, False): "bounced",
    (True, False, True): "bounced",
    (True, True, False): "bounced_yet_delivered",
    (True, True, True): "bounced_yet_delivered",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The word, and by which ways the message reached somebody else, in the order in which they were seen."""

    word: Word
    ways: tuple[Via, ...] = ()

    def __str__(self) -> str:
        text = self.word.replace("_", " ")
        return f"{text} ({', '.join(self.ways)})" if self.ways else text


def outcome(events: Sequence[Event]) -> Outcome:
    """Return what became of the message that these events are about.

    It is delivered when a device of somebody else got it, or somebody else's archive has it at the end; what its
    sender's other devices and own archive have proves nothing of it.
    """
    sender = next((event.sender for event in events if event.event == "client_send_started"), None)
    ways = tuple(dict.fromkeys(_ways(events, sender)))
    accepted = any(event.event == "server_accepted" for event in events)
    return Outcome(TABLE[_came_back(events), bool(ways), accepted], ways)


def _ways(events: Iterable[Event], sender: str | None) -> Iterable[Via]:
    for event in events:
        if event.via is None:
            continue
        if event.event in ARRIVALS and event.device is not None and event.device.partition("/")[0] != sender:
            yield event.via
        if event.event == "oracle_read" and event.recipient is not None and event.recipient != sender:
            yield event.via


def _came_back(events: Iterable[Event]) -> bool:
    """Whether the service said that it did not do it: at once and for good, or by a bounce."""
    failures = [event for event in events if event.event == "client_send_failed" and event.outcome == "fail"]
    said = [event.detail or {} for event in failures]
    final = any(each.get("final") and event.http_status is not None for each, event in zip(said, failures, strict=True))
    return final or any(each.get("bounced") for each in said)
