"""What becomes of a message: limited, stored, answered, handed to whoever is there, pushed to whoever is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from harness.reference.database import Database
from harness.reference.frames import Message as Pushed
from harness.reference.frames import Refused
from harness.reference.limits import Limiter
from harness.reference.log import Log
from harness.reference.push import PushWorker
from harness.reference.push_store import Job, PushStore
from harness.reference.sessions import Sessions
from harness.reference.storage import Connection
from harness.tencent_simulator.answers import INTERNAL, Json, Refusal
from harness.tencent_simulator.messages import Draft, Message, Messages
from harness.tencent_simulator.webhooks import Webhooks

TOO_OFTEN = 60007
NO_COUNT = -1

Stored = tuple[Message | None, tuple[Job, ...]]


class Chat:
    """Takes messages, in the order in which the store settles them."""

    def __init__(
        self,
        database: Database,
        messages: Messages,
        sessions: Sessions,
        limiter: Limiter,
        push_store: PushStore,
        push_worker: PushWorker,
        webhooks: Webhooks,
        log: Log,
    ) -> None:
        self._database = database
        self._messages = messages
        self._sessions = sessions
        self._limiter = limiter
        self._push_store = push_store
        self._push_worker = push_worker
        self._webhooks = webhooks
        self._log = log

    async def send(self, draft: Draft) -> None:
        """Store and hand out a message; raises ``Refusal``. One that is there already is answered as if it were new."""
        stored = self._database.write(partial(self._store, draft))
        stored.add_done_callback(partial(self._settled, draft))
        # Shielded: what is stored is handed out even when nobody waits for the answer any more.
        await asyncio.shield(stored)

    def tell(self, users: Sequence[str], frame: Json) -> None:
        """Send a frame to the devices of people that are connected."""
        self._sessions.fan_out(msgspec.json.encode(frame).decode(), users)

    def _store(self, draft: Draft, connection: Connection) -> Stored:
        try:
            self._limiter.admit(connection, draft.sender)
        except Refused:
            raise Refusal(TOO_OFTEN, "the frequency of calls is over the limit") from None
        if draft.life_s == 0:
            return draft.message(0), ()
        message = self._messages.add(connection, draft)
        if message is None or not draft.pushes:
            return message, ()
        return message, self._push_store.add(connection, _push_of(message), [draft.recipient])

    def _settled(self, draft: Draft, stored: asyncio.Future[Stored]) -> None:
        if stored.cancelled():
            return
        failure = stored.exception()
        ids: dict[str, Any] = {"sender": draft.sender, "recipient": draft.recipient, "message_id": draft.message(0).key}
        if failure is not None:
            code = failure.code if isinstance(failure, Refusal) else None
            self._log("message_refused", error_code=code, **ids)
            self._report(draft, code or INTERNAL, "send msg failed")
            return
        message, jobs = stored.result()
        self._log("message_persisted" if message else "message_repeated", **ids)
        if message is not None:
            self._hand_out(draft, message, jobs)
        self._report(draft, 0, "send msg succeed")

    def _hand_out(self, draft: Draft, message: Message, jobs: tuple[Job, ...]) -> None:
        users = {draft.recipient} | ({draft.sender} if draft.for_sender else set())
        self.tell(sorted(users), {"type": "message", "message": message.item()})
        if jobs:
            self._push_worker.take(jobs)

    def _report(self, draft: Draft, result: int, info: str) -> None:
        count = NO_COUNT if result else 1
        facts = {"SendMsgResult": result, "ErrorInfo": info, "UnreadMsgNum": count}
        self._webhooks.after("C2C.CallbackAfterSendMsg", {**webhook_facts(draft), **facts})


def webhook_facts(draft: Draft) -> Json:
    """Return what webhooks are told of a message."""
    return {
        "From_Account": draft.sender,
        "To_Account": draft.recipient,
        "MsgSeq": draft.seq,
        "MsgRandom": draft.random,
        "MsgTime": draft.time_s,
        "MsgKey": draft.message(0).key,
        "OnlineOnlyFlag": int(draft.life_s == 0),
        "MsgBody": msgspec.Raw(draft.body.encode()),
        "CloudCustomData": draft.custom,
    }


def _push_of(message: Message) -> Pushed:
    """What a push names; the conversation is called as the recipient's SDK calls it."""
    return Pushed(
        message_id=message.key,
        client_message_id="",
        conversation_id=f"C2C{message.sender}",
        seq=message.id,
        sender=message.sender,
        body="",
        server_time_ms=message.time_s * 1000,
        client_time_ms=None,
    )
