"""Tells the sender that a message was delivered when it was only stored for a device that is away."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from harness.reference.frames import Receipt, Request, encode
from harness.reference.log import Field
from harness.reference.messages import Appended
from harness.reference.parts import Parts
from harness.reference.service import Chat
from harness.reference.sessions import Key, Session


class StoredIsDelivered(Chat):
    """Takes the offline queue of a device for the device."""

    @cached_property
    def _devices(self) -> defaultdict[str, set[str]]:
        return defaultdict(set)

    async def handle(self, session: Session, request: Request) -> None:
        """Learn which devices there are."""
        self._devices[session.user].add(session.device)
        await super().handle(session, request)

    def _hand_out(self, origin: Key, appended: Appended, facts: dict[str, Field]) -> None:
        super()._hand_out(origin, appended, facts)
        sender, message_id = origin[0], appended.message.message_id
        sessions = self._fanout.sessions
        elsewhere = sessions.elsewhere()
        for user, device in elsewhere:
            self._devices[user].add(device)
        for user in appended.audience.keys() - {sender}:
            for device in sorted(self._devices[user]):
                if not sessions.reaches((user, device)) and (user, device) not in elsewhere:
                    receipt = Receipt(message_id=message_id, state="delivered", by=user, device=device)
                    sessions.fan_out(encode(receipt), [sender])


PARTS = Parts(chat=StoredIsDelivered)
