"""What has to hold of both load sides for their costs to be comparable, judged from what the server says. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xmpp_archive import Archived
from xmpp_sides import Known

CARRIED = 0.95
"""Part of the rate asked for that has to reach the archive."""


@dataclass(frozen=True, slots=True)
class Play:
    """One play: CPU for each message and messages a second in its middle, and all messages from begin to end."""

    cpu_us: float
    per_s: float
    rss_mb: float
    asked_for: int
    known: Known
    archived: Archived


def failures(rate: float, plays: Mapping[str, Sequence[Play]]) -> list[str]:
    """Say what does not hold, in a sentence each."""
    return [f"{name}: {what}" for name, several in plays.items() for what in _of_one(rate, several)]


def _of_one(rate: float, several: Sequence[Play]) -> Iterator[str]:
    per_s = statistics.median(play.per_s for play in several)
    if per_s < CARRIED * rate:
        yield f"{per_s:.1f} messages/s in the archive, {rate:g} were asked for"
    for play in several:
        yield from _counts(play)
        yield from _names(play)


def _counts(play: Play) -> Iterator[str]:
    """As many as were asked for have to be in each place."""
    found = {
        "written": play.known.written,
        "in the senders' archives": play.archived.sent.total(),
        "in the recipients' archives": play.archived.received.total(),
    }
    for where, count in found.items():
        if count != play.asked_for:
            yield f"{count} messages {where}, {play.asked_for} were asked for"


def _names(play: Play) -> Iterator[str]:
    """What is known of single messages has to be what the archive says."""
    for name, outcome in play.known.outcomes.items():
        copies = play.archived.sent[name], play.archived.received[name]
        if outcome != "accepted" or name not in play.known.came or copies != (1, 1):
            came = "came" if name in play.known.came else "did not come"
            yield f"message {name} {outcome}, {came}, is {copies[0]} and {copies[1]} times in the two archives"
