"""When a correct client tries again: pure rules, with the draw of chance passed in."""

from __future__ import annotations

from dataclasses import dataclass

RETRYABLE = frozenset({401, 408, 425, 429, 500, 502, 503, 504})
"""Statuses after which trying again can help: 401 after a new login, the others after a while."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Growing waits with full jitter, so that clients which failed together do not come back together.

    The wait before attempt n + 1 is drawn evenly from 0 to ``base_ms * 2 ** (n - 1)``, at most ``cap_ms``, and comes
    on top of what the service asked for. An acknowledgement that takes longer than ``ack_timeout_s`` is given up.
    """

    base_ms: int = 100
    cap_ms: int = 2000
    floor_ms: int = 0
    ack_timeout_s: float = 1.0

    def ceiling_ms(self, attempt: int) -> int:
        """Longest wait after that many failed attempts (from 1), in milliseconds."""
        doublings = min(attempt - 1, 32)  # beyond that every sensible cap is long reached
        return max(self.floor_ms, min(self.cap_ms, self.base_ms << doublings))

    def delay_ms(self, attempt: int, *, draw: float, retry_after_ms: int | None = None) -> int:
        """Milliseconds to wait after ``attempt`` failed; ``draw`` is the chance, from 0 to 1."""
        jittered = max(self.floor_ms, round(draw * self.ceiling_ms(attempt)))
        return jittered + (retry_after_ms or 0)


def is_final(http_status: int | None) -> bool:
    """Tell whether a refusal with that status will not change by asking again; no status means nobody answered."""
    return http_status is not None and http_status not in RETRYABLE
