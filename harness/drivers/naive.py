"""Clients as they should not be: a correct client with one of its habits replaced for each of its defects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from harness.drivers.api import Outgoing
from harness.drivers.defects import unknown_defect
from harness.drivers.habits import CORRECT, Habits

IMPATIENT_MS = 50


class ResendsWithNewId(Habits):
    """Writes a message anew instead of repeating it."""

    def again(self, message: Outgoing, attempt: int) -> Outgoing:
        """Give each attempt an id of its own."""
        return replace(message, client_message_id=f"{message.client_message_id}-again{attempt}")


class IgnoresRetryAfter(Habits):
    """Waits as after any other failure when the service has asked for time."""

    def heeded_ms(self, retry_after_ms: int | None) -> int:  # noqa: ARG002 - that is the defect
        """Heed nothing."""
        return 0


class RetriesWithoutBackoff(Habits):
    """Tries again in a tight rhythm, connection or not."""

    waits_for_line = False

    def backoff_ms(self, attempt: int, *, draw: float) -> int:  # noqa: ARG002 - that is the defect
        """Wait as long after the hundredth failure as after the first."""
        return IMPATIENT_MS


class RefreshesInParallel(Habits):
    """Lets each request find out for itself that the token is dead and fetch one of its own."""

    shares_refresh = False


class ShowsSentAsDelivered(Habits):
    """Takes the service's acknowledgement for the recipient's."""

    delivered_when_accepted = True


_SEAMS: Mapping[str, type[Habits]] = MappingProxyType(
    {
        "resends_with_new_id": ResendsWithNewId,
        "ignores_retry_after": IgnoresRetryAfter,
        "retries_without_backoff": RetriesWithoutBackoff,
        "refreshes_in_parallel": RefreshesInParallel,
        "shows_sent_as_delivered": ShowsSentAsDelivered,
    }
)


def habits(defects: Iterable[str]) -> Habits:
    """Return the habits of a client with all these defects, none of them for a correct one; raises ``UsageError``."""
    seams = []
    for name in dict.fromkeys(defects):
        if name not in _SEAMS:
            raise unknown_defect(name)
        seams.append(_SEAMS[name])
    if not seams:
        return CORRECT
    naive: Habits = type("NaiveHabits", tuple(seams), {})()
    return naive
