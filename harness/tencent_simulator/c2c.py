"""The commands of ``openim``: messages between two people (documents 1047/34919, 34920, 35478, 35015, 38996, 35477)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec

from harness.reference.clock import Clock
from harness.reference.sessions import Sessions
from harness.tencent_simulator.accounts import Accounts
from harness.tencent_simulator.answers import NO_RECIPIENT, Json, Refusal, number_of, text_of
from harness.tencent_simulator.chat import Chat, webhook_facts
from harness.tencent_simulator.messages import Draft, Messages, numbers_of
from harness.tencent_simulator.webhooks import Webhooks

WEEK_S = 604_800
MOST_AT_ONCE = 500
LONGEST_BODY = 8 * 1024
NO_SENDER, NOT_REGISTERED, TOO_MANY, TOO_LONG, NO_PUSH = 90048, 90012, 90011, 80002, 1
NOT_TO_SENDER = 2
LATEST = (1 << 32, 0, 0)

Command = Callable[[str, Json], Awaitable[Json]]


class C2c:
    """Handlers of the commands; each takes the caller and the request, and returns what the answer says besides."""

    def __init__(
        self,
        accounts: Accounts,
        messages: Messages,
        chat: Chat,
        sessions: Sessions,
        webhooks: Webhooks,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._messages = messages
        self._chat = chat
        self._sessions = sessions
        self._webhooks = webhooks
        self._clock = clock

    def commands(self) -> dict[str, Command]:
        """Return the handlers by command."""
        return {
            "openim/sendmsg": self.send,
            "openim/batchsendmsg": self.send_batch,
            "openim/admin_getroammsg": self.roam,
            "openim/admin_msgwithdraw": self.withdraw,
            "openim/admin_set_msg_read": self.set_read,
            "openim/querystate": self.states,
            "openim/query_online_status": self.states,
        }

    async def send(self, caller: str, body: Json) -> Json:
        """Send a message to one person."""
        recipient = text_of(body, "To_Account", NO_RECIPIENT)
        draft = self._draft(caller, recipient, body)
        if not self._accounts.has(recipient):
            raise Refusal(NOT_REGISTERED, "To_Account is not registered")
        draft = await self._send(draft, _forbidden(body))
        return {"MsgTime": draft.time_s, "MsgKey": draft.message(0).key}

    async def send_batch(self, caller: str, body: Json) -> Json:
        """Send a message to many; who has no account is told in ``ErrorList``."""
        recipients = self._recipients(body)
        drafts = [self._draft(caller, recipient, body) for recipient in recipients]
        known = [draft for draft in drafts if self._accounts.has(draft.recipient)]
        errors = [
            {"To_Account": draft.recipient, "ErrorCode": NOT_REGISTERED} for draft in drafts if draft not in known
        ]
        for draft in known:
            try:
                await self._send(draft, _forbidden(body))
            except Refusal as refusal:
                errors.append({"To_Account": draft.recipient, "ErrorCode": refusal.code})
        key = drafts[0].message(0).key if drafts else ""
        return {"MsgKey": key, **({"ErrorList": errors} if errors else {})}

    async def roam(self, _: str, body: Json) -> Json:
        """Read a page of two people's history, from the newest backwards."""
        pair = (text_of(body, "Operator_Account", NO_SENDER), text_of(body, "Peer_Account", NO_RECIPIENT))
        most = number_of(body, "MaxCnt", 90001)
        span = (number_of(body, "MinTime", 90001), number_of(body, "MaxTime", 90001))
        before = LATEST
        if last := body.get("LastMsgKey"):
            numbers = numbers_of(last) if isinstance(last, str) else None
            if numbers is None:
                raise Refusal(90001, "LastMsgKey is none")
            before = (numbers[2], numbers[0], numbers[1])
        page = await self._messages.roam(pair, span, before, max(1, most))
        facts: Json = {"Complete": int(page.complete), "MsgCnt": len(page.messages)}
        facts["MsgList"] = [message.item() for message in page.messages]
        if page.messages:
            facts |= {"LastMsgTime": page.messages[-1].time_s, "LastMsgKey": page.messages[-1].key}
        return facts

    async def withdraw(self, _: str, body: Json) -> Json:
        """Take a message back; it stays in the history, with a flag."""
        ends = (text_of(body, "From_Account", 90008), text_of(body, "To_Account", NO_RECIPIENT))
        numbers = numbers_of(text_of(body, "MsgKey", 90054))
        if numbers is None or not await self._messages.recall(*ends, numbers):
            raise Refusal(90054, "there is no message of that MsgKey")
        facts = {"From_Account": ends[0], "To_Account": ends[1], "MsgKey": body["MsgKey"], "UnreadMsgNum": 0}
        self._webhooks.after("C2C.CallbackAfterMsgWithDraw", facts)
        return {}

    async def set_read(self, _: str, body: Json) -> Json:
        """Note that somebody has read what somebody else wrote, until a second."""
        reader, peer = text_of(body, "Report_Account", NO_SENDER), text_of(body, "Peer_Account", NO_RECIPIENT)
        until_s = number_of(body, "MsgReadTime", 90001, default=self._clock() // 1000)
        for sender, key in await self._messages.read_until(reader, peer, until_s):
            self._chat.tell([sender], {"type": "receipt", "key": key, "by": reader})
        self.report_read(reader, peer)
        return {}

    async def read_one(self, reader: str, key: str) -> None:
        """Note that a message was read and tell its sender; raises ``Refusal`` for a key that is none."""
        numbers = numbers_of(key)
        if numbers is None:
            raise Refusal(90054, "there is no message of that key")
        for sender, read in await self._messages.read(reader, numbers):
            self._chat.tell([sender], {"type": "receipt", "key": read, "by": reader})
            self.report_read(reader, sender)

    def report_read(self, reader: str, peer: str) -> None:
        """Tell the app how far somebody has read."""
        facts = {"Report_Account": reader, "Peer_Account": peer, "LastReadTime": self._clock() // 1000}
        self._webhooks.after("C2C.CallbackAfterMsgReport", {**facts, "UnreadMsgNum": 0})

    async def states(self, _: str, body: Json) -> Json:
        """Tell who is connected."""
        found, errors = list[Json](), list[Json]()
        for user in self._recipients(body):
            state = "Online" if self._sessions.of(user) else "Offline"
            if self._accounts.has(user):
                found.append({"To_Account": user, "State": state, "Status": state})
            else:
                errors.append({"To_Account": user, "ErrorCode": 70107})
        return {"QueryResult": found, **({"ErrorList": errors} if errors else {})}

    async def _send(self, draft: Draft, forbidden: frozenset[str]) -> Draft:
        """Ask the app, then send what it has made of the message."""
        if "ForbidBeforeSendMsgCallback" not in forbidden:
            verdict = await self._webhooks.before("C2C.CallbackBeforeSendMsg", webhook_facts(draft))
            body = draft.body if verdict.body is None else _content(verdict.body)
            draft = replace(draft, body=body, custom=draft.custom if verdict.custom is None else verdict.custom)
        await self._chat.send(draft)
        return draft

    def _draft(self, caller: str, recipient: str, body: Json) -> Draft:
        sender = text_of(body, "From_Account", 90008) if "From_Account" in body else caller
        if not self._accounts.has(sender):
            raise Refusal(NO_SENDER, "From_Account does not exist")
        life_s = number_of(body, "MsgLifeTime", 90044, default=WEEK_S)
        if life_s > WEEK_S:
            raise Refusal(90026, "the offline storage time is over 7 days")
        push = body.get("OfflinePushInfo")
        return Draft(
            sender=sender,
            recipient=recipient,
            random=number_of(body, "MsgRandom", 90005),
            seq=number_of(body, "MsgSeq", 90001, default=secrets.randbits(32)),
            time_s=number_of(body, "MsgTimeStamp", 90006, default=self._clock() // 1000),
            life_s=life_s,
            for_sender=number_of(body, "SyncOtherMachine", 90031, default=1) != NOT_TO_SENDER,
            pushes=not (isinstance(push, dict) and push.get("PushFlag") == NO_PUSH),
            custom=str(body.get("CloudCustomData") or ""),
            body=_content(body.get("MsgBody")),
        )

    def _recipients(self, body: Json) -> list[str]:
        recipients = body.get("To_Account")
        if not isinstance(recipients, list) or not all(isinstance(user, str) and user for user in recipients):
            raise Refusal(NO_RECIPIENT, "To_Account is missing or no list of accounts")
        if len(recipients) > MOST_AT_ONCE:
            raise Refusal(TOO_MANY, f"more than {MOST_AT_ONCE} accounts")
        return recipients


def _content(parts: Any) -> str:
    if not isinstance(parts, list):
        raise Refusal(90007, "MsgBody is no array")
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("MsgType"), str):
            raise Refusal(90010, "an element of MsgBody has no MsgType")
        if not isinstance(part.get("MsgContent"), dict):
            raise Refusal(90010, "an element of MsgBody has no MsgContent")
    if not parts:
        raise Refusal(90002, "MsgBody is empty")
    content = msgspec.json.encode(parts).decode()
    if len(content.encode()) > LONGEST_BODY:
        raise Refusal(TOO_LONG, "the message body is too long")
    return content


def _forbidden(body: Json) -> frozenset[str]:
    listed = body.get("ForbidCallbackControl")
    return frozenset(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else frozenset()
