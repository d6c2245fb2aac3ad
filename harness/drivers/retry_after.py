"""Reading ``Retry-After`` in both of its forms (RFC 9110, 10.2.3): seconds, or a date."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile("[0-9]{1,9}", re.ASCII)


def wait_ms(headers: Mapping[str, str], now: datetime) -> int | None:
    """Return how long an answer asks to wait; None when it does not, or not readably.

    A date counts from the answer's own ``Date`` and only without one from ``now``: the clock of a device may be wrong.
    """
    asked = headers.get("Retry-After")
    if asked is None:
        return None
    if _SECONDS.fullmatch(asked):
        return int(asked) * 1000
    until, since = _date(asked), _date(headers.get("Date")) or now
    return None if until is None else max(0, round((until - since).total_seconds() * 1000))


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date.replace(tzinfo=date.tzinfo or UTC)
