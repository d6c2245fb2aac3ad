"""The four axes of a message's state and their legal transitions, as data that users can print and checks read.

The axes move independently: a message may be stored while its push failed, and a sender may believe in a failure
while the recipient reads. Order holds per witness only: events of different observers arrive late and crossed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Scope = Literal["device", "person"]


class Axis(StrEnum):
    """Whose view of a message moves."""

    BELIEF = "belief"
    RECORD = "record"
    RECEIPT = "receipt"
    PUSH = "push"

    @property
    def unit(self) -> str:
        """What has one state of its own on this axis."""
        return _UNITS[self]


_UNITS = {
    Axis.BELIEF: "operation",
    Axis.RECORD: "message",
    Axis.RECEIPT: "message and device",
    Axis.PUSH: "message, token and attempt",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """One legal step on an axis and the events that show it; ``source`` is empty for the first step."""

    axis: Axis
    source: str
    target: str
    events: tuple[str, ...]


TRANSITIONS: tuple[Transition, ...] = (
    Transition(Axis.BELIEF, "", "local_pending", ("client_send_started",)),
    Transition(Axis.BELIEF, "local_pending", "local_pending", ("client_retry_scheduled", "client_send_started")),
    Transition(Axis.BELIEF, "local_pending", "server_accepted", ("server_accepted",)),
    Transition(Axis.BELIEF, "local_pending", "send_failed", ("client_send_failed",)),
    Transition(Axis.BELIEF, "send_failed", "local_pending", ("client_send_started",)),
    Transition(Axis.RECORD, "", "stored", ("message_persisted", "oracle_read")),
    Transition(Axis.RECEIPT, "", "delivered_online", ("recipient_online_delivered",)),
    Transition(Axis.RECEIPT, "", "recipient_synced", ("recipient_synced",)),
    Transition(Axis.RECEIPT, "delivered_online", "recipient_synced", ("recipient_synced",)),
    Transition(Axis.RECEIPT, "recipient_synced", "delivered_online", ("recipient_online_delivered",)),
    Transition(Axis.RECEIPT, "delivered_online", "read", ("message_read",)),
    Transition(Axis.RECEIPT, "recipient_synced", "read", ("message_read",)),
    Transition(Axis.PUSH, "", "push_queued", ("push_sent",)),
    Transition(Axis.PUSH, "", "push_failed", ("push_failed",)),
    Transition(Axis.PUSH, "push_queued", "push_failed", ("push_failed",)),
    Transition(Axis.PUSH, "push_failed", "push_queued", ("push_sent",)),
)


@dataclass(frozen=True, slots=True)
class Precedence:
    """``later`` needs one of ``earlier`` before it, seen on the same device or on any device of the same person.

    The person of a receipt is who got or read the message. ``if_recorded``: judged only for people of whom the
    earlier event is recorded at all, because not every witness can see it. A client records before it marks, so a
    receipt that travels through the service always comes after the record that caused it.
    """

    id: str
    axis: Axis
    later: str
    earlier: tuple[str, ...]
    scope: Scope
    text: str
    if_recorded: bool = False
    check: str = "transitions"
    """The check that judges it."""


_RECEIVED = ("recipient_synced", "recipient_online_delivered")

PRECEDENCES: tuple[Precedence, ...] = (
    Precedence(
        "read_before_received",
        Axis.RECEIPT,
        "message_read",
        _RECEIVED,
        "device",
        "was opened on a device that had not got it",
    ),
    Precedence(
        "false_delivery",
        Axis.RECEIPT,
        "delivery_receipt_received",
        _RECEIVED,
        "person",
        "was reported as delivered to a person none of whose devices had got it",
        check="sent_not_delivered",
    ),
    Precedence(
        "false_read",
        Axis.RECEIPT,
        "read_receipt_received",
        _RECEIVED,
        "person",
        "was reported as read by a person none of whose devices had got it",
    ),
    Precedence(
        "read_unopened",
        Axis.RECEIPT,
        "read_receipt_received",
        ("message_read",),
        "person",
        "was reported as read by a person who had not opened it",
        if_recorded=True,
    ),
)


def printable() -> str:
    """Return the legal transitions and precedences as plain text, one a line."""
    lines = []
    for axis in Axis:
        lines.append(f"{axis} (per {axis.unit})")
        steps = [step for step in TRANSITIONS if step.axis is axis]
        lines += [f"  {step.source or '-':<16} -> {step.target:<16} {', '.join(step.events)}" for step in steps]
        rules = [rule for rule in PRECEDENCES if rule.axis is axis]
        lines += [f"  {rule.later} needs {' or '.join(rule.earlier)} first, same {rule.scope}" for rule in rules]
    return "\n".join(lines)
