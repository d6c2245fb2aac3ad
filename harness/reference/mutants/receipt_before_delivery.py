"""Tells the sender that a message was delivered when it was only stored for a device that is away."""

from __future__ import annotations

from collections import defaultdict

from harness.reference.device_mail import DeviceMail
from harness.reference.fanout import Fanout
from harness.reference.frames import Receipt, Request, encode
from harness.reference.limits import Limiter
from harness.reference.log import Field, Log
from harness.reference.messages import Appended, Messages
from harness.reference.parts import Parts
from harness.reference.push import PushWorker
from harness.reference.service import Chat
from harness.reference.sessions import Key, Session
from harness.reference.tokens import Tokens


class StoredIsDelivered(Chat):
    """Takes the offline queue of a device for the device."""

    def __init__(
        self,
        messages: Messages,
        tokens: Tokens,
        limiter: Limiter,
        fanout: Fanout,
        push: PushWorker,
        mail: DeviceMail,
        log: Log,
    ) -> None:
        super().__init__(messages, tokens, limiter, fanout, push, mail, log)
        self._sessions = fanout.sessions
        self._devices: defaultdict[str, set[str]] = defaultdict(set)

    async def handle(self, session: Session, request: Request) -> None:
        """Learn which devices there are."""
        self._devices[session.user].add(session.device)
        await super().handle(session, request)

    def _hand_out(self, origin: Key, appended: Appended, facts: dict[str, Field]) -> None:
        super()._hand_out(origin, appended, facts)
        sender, message_id = origin[0], appended.message.message_id
        elsewhere = self._sessions.elsewhere()
        for user, device in elsewhere:
            self._devices[user].add(device)
        for user in appended.audience.keys() - {sender}:
            for device in sorted(self._devices[user]):
                if not self._sessions.reaches((user, device)) and (user, device) not in elsewhere:
                    receipt = Receipt(message_id=message_id, state="delivered", by=user, device=device)
                    self._sessions.fan_out(encode(receipt), [sender])


PARTS = Parts(chat=StoredIsDelivered)
