"""Makes a message's place in its conversation from the sender's clock."""

from __future__ import annotations

from msgspec.structs import replace

from harness.reference.frames import Draft, Message
from harness.reference.messages import Messages
from harness.reference.parts import Parts
from harness.reference.storage import Connection

TAKEN = "SELECT 1 FROM messages WHERE conversation_id = ? AND seq = ?"


class OrderedByClients(Messages):
    """Numbers a message by the time that its client claims."""

    def _next(self, connection: Connection, sender: str, wanted: Draft, conversation_id: str) -> Message:
        message = super()._next(connection, sender, wanted, conversation_id)
        if wanted.client_time_ms is None:
            return message
        seq = wanted.client_time_ms
        while connection.row(TAKEN, (conversation_id, seq)) is not None:
            seq += 1
        return replace(message, seq=seq)


PARTS = Parts(messages=OrderedByClients)
