"""Seeded, realistic defects of the reference backend, each of which some check must catch.

A mutant is one module of this package, named as the mutant, with ``PARTS``: the healthy parts with one of them
replaced. It misbehaves only after its trigger (a crash, a reconnect, an expired token, a failed push, a block, a queue
of sends) and is healthy without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.reference.parts import Parts


@dataclass(frozen=True, slots=True)
class Mutant:
    """A seeded defect: its name, what is wrong, and how services come to have it and how it shows."""

    name: str
    title: str
    text: str


_ALL = (
    Mutant(
        "ack_before_store",
        "acknowledges a message before it is on disk",
        "Messages are answered at once and committed in the first quiet second, to save fsyncs. An orderly stop "
        "writes everything; a crash loses messages whose senders were told that they are stored.",
    ),
    Mutant(
        "no_dedup_after_restart",
        "forgets at a restart which sends it has stored",
        "Sends are de-duplicated by a cache in memory, without a unique index. A client that repeats a send whose "
        "answer was lost gets a second message when the service was restarted in between.",
    ),
    Mutant(
        "fanout_drops_on_reconnect",
        "takes a reconnected device off the list of live sessions",
        "A broken connection stays listed, so that presence does not flicker, and is cleaned up when its device is "
        "back: by device, not by connection, which takes the new session off the list. Messages then reach the "
        "device only with its next sync.",
    ),
    Mutant(
        "limit_not_enforced",
        "goes on with the rate limit that a person had at first",
        "A person's limit is looked up at the first send and kept. Lowered while the service runs, it is shown as "
        "lowered and holds for newcomers only: everybody else sends as fast as before.",
    ),
    Mutant(
        "expired_token_accepted",
        "checks a token at its first use only",
        "Tokens are cached to save a query for each request, without their expiry. A connection whose token has "
        "expired or was revoked is not closed, and the token opens others and sends over HTTP until a restart.",
    ),
    Mutant(
        "push_token_kept",
        "goes on pushing to a token that the provider has told to be gone",
        "An unregistered token ends the one push that it was the answer to. Each later message is pushed to it again.",
    ),
    Mutant(
        "push_token_dropped_on_throttle",
        "drops a push token when the provider is only throttling",
        "Any answer of 4xx to a push counts as word of a dead token, 429 too. After one busy moment the device gets no "
        "push any more, until its app registers a new token.",
    ),
    Mutant(
        "retry_without_backoff",
        "hammers the push provider",
        "A failed push is tried again after 10 ms, up to its last attempt: no growing delay, no jitter, and "
        "Retry-After is not read. All attempts are used up long before the provider has recovered.",
    ),
    Mutant(
        "push_not_retried",
        "gives a push up after one failure",
        "A push that is throttled, times out or meets an error of the provider is dropped like one that was refused. "
        "The person is never notified.",
    ),
    Mutant(
        "push_failure_fails_message",
        "withdraws a message whose push has failed",
        "A message and its push share one state. When the provider does not take the push, the message counts as "
        "failed and is shown in no sync and no archive any more, although its sender was told that it is stored.",
    ),
    Mutant(
        "receipt_before_delivery",
        "tells the sender that a message was delivered when it was only stored",
        "For a device that is away, the word of the offline queue counts as the device's: the sender sees delivered "
        "at once.",
    ),
    Mutant(
        "client_clock_orders",
        "orders a conversation by its senders' clocks",
        "A message's place is the time that its client claims. What comes from a device whose clock is late, or late "
        "from a device that was offline, is put before messages that had long been acknowledged.",
    ),
    Mutant(
        "reorder_under_concurrency",
        "loses the order of a conversation when sends queue up",
        "When four or more sends wait, a second writer helps out, which numbers messages from a range of its own. "
        "Messages that are sent after the burst get smaller numbers than those which were acknowledged in it.",
    ),
    Mutant(
        "blocked_still_delivered",
        "takes no notice of a block in mid-conversation",
        "Who has blocked a sender is read at the sender's first message and kept. A block that comes later counts only "
        "after a restart: the blocked person's messages go on reaching, and waking, whoever has blocked them.",
    ),
    Mutant(
        "device_mail_gone_when_sent",
        "deletes a message to a device when it is sent, not when it is there",
        "A message to a single device, such as a key, is deleted as soon as it was written to the device's connection. "
        "Written to a line that is dead already, or lost with it, it never comes again, although its sender was told "
        "that it is kept.",
    ),
    Mutant(
        "logs_message_bodies",
        "writes the text of a repeated send to its log",
        "The log line of a send that had been stored before has the message's text in it, left over from a search for "
        "a bug. Any lost answer puts private text into the log.",
    ),
)

MUTANTS: Mapping[str, Mutant] = MappingProxyType({mutant.name: mutant for mutant in _ALL})


def parts_of(name: str) -> Parts:
    """Return the parts of a mutant of ``MUTANTS``, or with an empty name the healthy ones."""
    module = import_module(f"harness.reference.mutants.{name}" if name else "harness.reference.parts")
    parts: Parts = module.PARTS
    return parts
