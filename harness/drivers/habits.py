"""The points at which clients go wrong in practice, as a correct client handles them."""

from __future__ import annotations

from harness.core.retry import RetryPolicy
from harness.drivers.api import Outgoing

PATIENT = RetryPolicy()


class Habits:
    """What a correct client does; each defect of a naive one replaces exactly one of these."""

    shares_refresh: bool = True
    """One refresh serves all that wait for a token."""
    waits_for_line: bool = True
    """Nothing is tried again while there is no connection."""
    ack_timeout_s: float = PATIENT.ack_timeout_s
    """How long an answer is waited for before the connection is held to be broken."""
    delivered_when_accepted: bool = False
    """The user is shown the second check mark already at the service's acknowledgement."""

    def again(self, message: Outgoing, attempt: int) -> Outgoing:  # noqa: ARG002 - a naive client needs it
        """Return what attempt number ``attempt`` (from 2) sends: the same message under the same id."""
        return message

    def heeded_ms(self, retry_after_ms: int | None) -> int:
        """Return how many milliseconds of what the service asked for are waited out at least: all of them."""
        return retry_after_ms or 0

    def backoff_ms(self, attempt: int, *, draw: float) -> int:
        """Return the client's own wait after ``attempt`` failed: growing, jittered; ``draw`` is chance, from 0 to 1."""
        return PATIENT.delay_ms(attempt, draw=draw)


class Unhurried(Habits):
    """One of thousands: when all come back at once answers take their time, and hanging up would make it longer."""

    ack_timeout_s = 5.0


CORRECT = Habits()
