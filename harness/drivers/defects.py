"""Defects that a naive client can have (client mutants), by name; how it comes to misbehave is in ``naive``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Defect:
    """A seeded defect of a client: its name, what is wrong, and how clients come to have it and how it shows."""

    name: str
    title: str
    text: str


_ALL = (
    Defect(
        "resends_with_new_id",
        "gives each retry of a message a new id",
        "The id is made where the request is built, not where the message is written. A send whose answer was lost is "
        "stored a second time, because the service cannot know that it is the same message.",
    ),
    Defect(
        "ignores_retry_after",
        "waits its own time when the service has said how long to wait",
        "The error handler looks at the status and never at Retry-After. While a limit is in force the client comes "
        "back too early, again and again.",
    ),
    Defect(
        "retries_without_backoff",
        "tries again every 50 ms, however often it has failed",
        "A retry loop with a fixed pause, also without a connection. While the service is down every client knocks "
        "twenty times a second, and all of them together when it is back.",
    ),
    Defect(
        "refreshes_in_parallel",
        "lets every pending request refresh the token for itself",
        "Each request handles its own 401. When a token expires with several messages pending, several refreshes run "
        "at once with the same refresh token.",
    ),
    Defect(
        "shows_sent_as_delivered",
        "shows a message as delivered as soon as the service has taken it",
        "One state for both check marks. Messages to somebody whose phone is off look delivered.",
    ),
)

DEFECTS: Mapping[str, Defect] = MappingProxyType({defect.name: defect for defect in _ALL})


def unknown_defect(name: str) -> UsageError:
    """Return the error for a name that is no defect."""
    close = difflib.get_close_matches(name, DEFECTS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known defects: {', '.join(DEFECTS)}"
    return UsageError(f"naive clients have no defect {name!r}", hint=hint)
