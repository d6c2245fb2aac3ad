"""The service's wall clock, passed in wherever time is needed."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Answers the milliseconds since the epoch."""


def system_clock() -> int:
    """Return the host's milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
