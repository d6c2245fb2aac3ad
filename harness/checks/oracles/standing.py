"""Whom a message is for, as the twins see it: changes of membership and blocks against the life of a send."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.checks.oracles.sends import Send
from harness.core.events import Event

Standing = Literal["must", "may", "never"]
STARTS = frozenset({"join", "create", "block"})
ENDS = frozenset({"leave", "unblock"})
BLOCKS = frozenset({"block", "unblock"})


@dataclass(frozen=True, slots=True)
class Change:
    """The beginning or the confirmation of one change; ``other`` is the one who is blocked."""

    person: str
    other: str | None
    conversation_id: str | None
    starts: bool
    done: bool
    at_ns: int
    began_ns: int


@dataclass(frozen=True, slots=True)
class Circle:
    """Who gets a message; whoever is not in ``standing`` is a stranger, if the circle is ``closed``."""

    standing: dict[str, Standing]
    members: dict[str, Standing]
    closed: bool


def changes_of(witnessed: Sequence[Event]) -> list[Change]:
    """Return all changes, from events in the order of their time."""
    begun: dict[tuple[str | None, ...], int] = {}
    found = []
    told = [event for event in witnessed if event.event in {"membership_changing", "membership_changed"}]
    for event in sorted(told, key=lambda one: (one.mono_ns, one.event == "membership_changed")):
        change = str((event.detail or {}).get("change"))
        blocks = change in BLOCKS
        person = event.sender if blocks else event.recipient
        other, conversation = (event.recipient, None) if blocks else (None, event.conversation_id)
        if change not in STARTS | ENDS or person is None or not (other or conversation):
            continue
        key = (person, other, conversation, change)
        done = event.event == "membership_changed"
        if not done:
            begun[key] = event.mono_ns
        began_ns = begun.get(key, event.mono_ns) if done else event.mono_ns
        found.append(Change(person, other, conversation, change in STARTS, done, event.mono_ns, began_ns))
    return found


def circle_of(send: Send, changes: Sequence[Change]) -> Circle:
    """Return who gets a message."""
    sender, recipient, conversation = send.started.sender, send.started.recipient, send.started.conversation_id
    inner = [one for one in changes if one.conversation_id is not None and one.conversation_id == conversation]
    grouped = recipient is None and bool(inner)
    people = {sender, *(one.person for one in inner)} if grouped else {sender, recipient}
    members: dict[str, Standing] = {}
    standing: dict[str, Standing] = {}
    for person in (one for one in people if one is not None):
        own = [one for one in inner if one.person == person]
        members[person] = _membership(send, own, person == sender) if grouped else "must"
        blocks = [one for one in changes if one.person == person and one.other is not None and one.other == sender]
        standing[person] = _with_blocks(members[person], send, blocks)
    return Circle(standing, members, closed=grouped or recipient is not None)


def _membership(send: Send, changes: Sequence[Change], own: bool) -> Standing:
    if _surely_on(changes, send):
        return "must"
    return "may" if own or not _surely_off(changes, send) else "never"


def _with_blocks(member: Standing, send: Send, blocks: Sequence[Change]) -> Standing:
    if member == "never":
        return "never"
    if _surely_off(blocks, send):
        return member
    return "never" if _surely_on(blocks, send) else "may"


def _surely_on(changes: Sequence[Change], send: Send) -> bool:
    """It began, was confirmed before the send, and nothing to the contrary has begun since."""
    return any(
        one.starts and one.done and one.at_ns <= send.started_ns and not _any(changes, send, one.began_ns, starts=False)
        for one in changes
    )


def _surely_off(changes: Sequence[Change], send: Send) -> bool:
    """It never began, or its end was confirmed before the send and it has not begun anew."""
    ended = any(
        not one.starts
        and one.done
        and one.at_ns <= send.started_ns
        and not _any(changes, send, one.began_ns, starts=True)
        for one in changes
    )
    return ended or not _any(changes, send, -math.inf, starts=True)


def _any(changes: Sequence[Change], send: Send, since_ns: float, *, starts: bool) -> bool:
    until = math.inf if send.accepted_ns is None else send.accepted_ns
    return any(one.starts is starts and since_ns < one.at_ns <= until for one in changes)
