"""Remembers stored sends in memory only: a restart forgets them."""

from __future__ import annotations

from harness.reference.frames import Message
from harness.reference.messages import Deduplication
from harness.reference.parts import Parts
from harness.reference.storage import Connection


class CacheOnly(Deduplication):
    """A dictionary instead of the unique index."""

    schema = ""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Message] = {}

    def find(self, connection: Connection, sender: str, client_message_id: str) -> Message | None:  # noqa: ARG002 - it does not look there
        """Return what this process has stored for the same send."""
        return self._seen.get((sender, client_message_id))

    def remember(self, message: Message) -> None:
        """Keep a new message in the cache."""
        self._seen[message.sender, message.client_message_id] = message


PARTS = Parts(deduplication=CacheOnly)
