"""One device's session: its long poll is the live connection, everything else are requests of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from harness.core.events import Via
from harness.drivers.api import (
    Accepted,
    Closed,
    Confirmed,
    Credential,
    Delivered,
    Device,
    Endpoint,
    Group,
    Incoming,
    Outgoing,
    Page,
    ReceiptState,
    Refreshed,
    Refused,
    ToDevice,
    TokenRejected,
    Unknown,
)
from harness.drivers.arrivals import arrivals
from harness.drivers.matrix.answers import (
    CLIENT_ID,
    FILE_MESSAGE,
    MESSAGE,
    TO_DEVICE,
    LoginAnswer,
    SentAnswer,
    SyncAnswer,
    done,
    read,
)
from harness.drivers.matrix.http import CLIENT, Http, Json
from harness.drivers.matrix.media import Media
from harness.drivers.matrix.people import People
from harness.drivers.matrix.timelines import Homeserver, News, Reading

REFRESH = "/_matrix/client/v3/refresh"
"""The only path that has no older form: releases before 1.42 issue no refresh tokens."""
AT_ONCE_MS = 1
"""Not 0: old releases of Synapse (1.80) repeat an empty answer to that for two minutes, whatever is new meanwhile."""
PATIENCE_S = 1.5
"""How much longer than agreed a poll is waited for: a black hole is noticed by nothing else."""
UNAUTHORISED, NOT_FOUND = 401, 404
TO_DEVICE_AT_ONCE = 100
"""Messages to a device in one answer of Synapse; after fewer there are no more before the next token."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How the devices of a driver go about it: the length of a poll, events of a timeline, where pushes go."""

    poll_s: float
    timeline: int
    push_gateway: str | None


class MatrixSession:
    """A device that is logged in, made by the driver, which has asked for the place in the stream to listen from.

    What that answer, ``beginning``, and those to polls and syncs hold for this device alone comes by ``incoming``.
    """

    def __init__(
        self,
        device: Device,
        at: Endpoint,
        credential: Credential,
        *,
        connection: str,
        beginning: SyncAnswer,
        http: Http,
        people: People,
        habits: Habits,
    ) -> None:
        self.connection = connection
        self._device = device
        self._at = at
        self._credential = credential
        self._http = http
        self._people = people
        self._habits = habits
        self._server = Homeserver(http, at.chat)
        self._media = Media(http, at.chat)
        self._push_key: str | None = None
        self._pushed: asyncio.Queue[Incoming] = asyncio.Queue()
        self._poll = asyncio.create_task(self._listen(beginning), name=f"poll of {connection}")

    @property
    def credential(self) -> str:
        """The access token in use."""
        return self._credential.token

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:  # noqa: ARG002 - the protocol has no place for it
        """Send once; the message's id is the transaction's, by which the server knows a repetition.

        A file is uploaded before: without it nothing was sent.
        """
        room, transaction = quote(message.conversation_id, safe=""), quote(message.client_message_id, safe="")
        content = await self._content(message)
        if isinstance(content, Refused | Unknown):
            return _unsent(content)
        answer = read(await self._ask("PUT", f"rooms/{room}/send/{MESSAGE}/{transaction}", content), SentAnswer)
        if isinstance(answer, Refused | Unknown):
            return answer
        return Accepted(message_id=answer.event_id, conversation_id=message.conversation_id)

    def incoming(self) -> AsyncIterator[Incoming]:
        """Yield what the polls bring until one of them fails; for one reader."""
        return arrivals(self._pushed)

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Read everything after a token at once; there is more as long as the token moves."""
        reading = Reading(self._habits.timeline)
        answer = await self._server.sync(self.credential, reading, since=cursor, wait_ms=AT_ONCE_MS)
        if isinstance(answer, Refused | Unknown):
            return answer
        await self._hand_over(answer, "sync")
        items: list[Delivered] = []
        filled = 0
        async for news in self._server.news(self.credential, answer, since=cursor):
            if isinstance(news, Refused | Unknown):
                return news
            messages = await self._messages(news)
            if isinstance(messages, Refused | Unknown):
                return messages
            items.extend(messages)
            filled += news.filled
        return Page(tuple(items), answer.next_batch, more=answer.next_batch != cursor, filled=filled)

    async def send_to_device(self, message: ToDevice) -> Refused | Unknown | None:
        """Send to one device; the message's id is the transaction's, as in ``send``."""
        content = {"body": message.body, CLIENT_ID: message.id}
        addressed = {self._people.user_id(message.recipient): {message.device.partition("/")[2]: content}}
        path = f"sendToDevice/{TO_DEVICE}/{quote(message.id, safe='')}"
        return done(await self._ask("PUT", path, {"messages": addressed}))

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:
        """Tell that a message was read; that it was delivered nobody is told in this protocol."""
        if state == "delivered":
            return None
        room = self._people.room_of.get(message_id)
        if room is None:
            return Refused("unknown_message", http_status=404)
        path = f"rooms/{quote(room, safe='')}/receipt/m.read/{quote(message_id, safe='')}"
        return done(await self._ask("POST", path, {}))

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Exchange the refresh token; polls and requests go on with the new access token."""
        before = self._credential
        if before.refresh_token is None:
            return Refused("no_refresh_token", http_status=401)
        body = {"refresh_token": before.refresh_token}
        after = read(await self._http.request("POST", f"{self._at.auth}{REFRESH}", json=body), LoginAnswer)
        if isinstance(after, Refused | Unknown):
            return after
        self._credential = after.credential(before.refresh_token)
        return Refreshed(self._credential)

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Set, or with None remove, this device's pusher; a push names the event and nothing of its content."""
        gateway = self._habits.push_gateway
        if gateway is None:
            return Refused("no_push_gateway", http_status=404)
        key, self._push_key = token or self._push_key, token
        if key is None:
            return None
        pusher = {
            "pushkey": key,
            "kind": None if token is None else "http",
            "app_id": "dev.chat-chaos",
            "app_display_name": "chat-chaos",
            "device_display_name": self._device.id,
            "lang": "en",
            "data": {"url": gateway, "format": "event_id_only"},
        }
        return done(await self._ask("POST", "pushers/set", pusher))

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a room in which everybody is; past every proxy, because only the others themselves can join it."""
        return await self._people.group(self._device.person, members)

    async def join(self, conversation_id: str) -> Refused | Unknown | None:
        """Become a member of a group."""
        return done(await self._ask("POST", f"rooms/{quote(conversation_id, safe='')}/join", {}))

    async def leave(self, conversation_id: str) -> Refused | Unknown | None:
        """Leave a group."""
        return done(await self._ask("POST", f"rooms/{quote(conversation_id, safe='')}/leave", {}))

    async def block(self, user: str) -> Refused | Unknown | None:
        """Ignore somebody: the server leaves out what they write, also what they wrote before."""
        return await self._ignore(user, ignored=True)

    async def unblock(self, user: str) -> Refused | Unknown | None:
        """Ignore somebody no longer."""
        return await self._ignore(user, ignored=False)

    async def close(self, *, abrupt: bool = False) -> None:
        """Stop to listen and let the connections go, without a word either way; the device stays logged in."""
        self._poll.cancel()
        await asyncio.wait([self._poll])
        await self._http.close()
        self._pushed.put_nowait(Closed(None, "closed", clean=not abrupt))

    async def _ignore(self, user: str, *, ignored: bool) -> Refused | Unknown | None:
        """Change the list of the ignored, which is read and written as a whole."""
        path = f"user/{quote(self._people.user_id(self._device.person), safe='')}/account_data/m.ignored_user_list"
        found = await self._ask("GET", path)
        if isinstance(found, Refused | Unknown) and found.http_status != NOT_FOUND:
            return found
        listed = {} if isinstance(found, Refused | Unknown) else dict(found.get("ignored_users", {}))
        listed.pop(self._people.user_id(user), None)
        listed |= {self._people.user_id(user): {}} if ignored else {}
        self._people.ignorers.add(self._device.person)
        return done(await self._ask("PUT", path, {"ignored_users": listed}))

    async def _listen(self, before: SyncAnswer) -> None:
        reading = Reading(self._habits.timeline, receipts=True)
        wait_ms = round(self._habits.poll_s * 1000)
        # Whoever asks without a token has confirmed nothing, and may be told again what the server has yet to forget.
        via: Via = "sync"
        taken = await self._hand_over(before, via)
        while True:
            answer = await self._server.sync(
                self.credential, reading, since=before.next_batch, wait_ms=wait_ms, patience_s=PATIENCE_S
            )
            if isinstance(answer, Refused | Unknown):
                return self._end(answer)
            if taken:
                self._pushed.put_nowait(Confirmed(taken))
            via = via if len(before.to_device.events) == TO_DEVICE_AT_ONCE else "live"
            taken = await self._hand_over(answer, via)
            failed = await self._bring(answer, before.next_batch)
            if failed is not None:
                return self._end(failed)
            before = answer

    async def _hand_over(self, answer: SyncAnswer, via: Via) -> tuple[str, ...]:
        """Have the reader take what is for this device alone, and return it by id.

        Only then may its token be shown: by that the server learns that it need not keep this any longer.
        """
        items = answer.for_device(via)
        for item in items:
            self._pushed.put_nowait(item)
        if items:
            await self._pushed.join()
        return tuple(item.id for item in items)

    async def _bring(self, answer: SyncAnswer, since: str) -> Refused | Unknown | None:
        """Pass on what a poll brought; a gap that could not be filled ends the connection like a failed poll."""
        async for news in self._server.news(self.credential, answer, since=since):
            if isinstance(news, Refused | Unknown):
                return news
            messages = await self._messages(news)
            if isinstance(messages, Refused | Unknown):
                return messages
            for message in messages:
                self._pushed.put_nowait(message)
            for receipt in news.receipts:
                self._pushed.put_nowait(receipt)
        return None

    async def _messages(self, news: News) -> list[Delivered] | Refused | Unknown:
        """The messages of a room with the files that they refer to; a file that cannot be had now is a failed poll."""
        messages: list[Delivered] = []
        for event in news.events:
            if not event.is_message:
                continue
            message = await self._media.whole(event, event.delivered(news.room), self.credential)
            if isinstance(message, Refused | Unknown):
                return message
            messages.append(message)
        self._people.room_of.update((message.message_id, news.room) for message in messages)
        return messages

    async def _content(self, message: Outgoing) -> dict[str, Any] | Refused | Unknown:
        """What the event says: the text itself, or the file that was uploaded with it."""
        known = {CLIENT_ID: message.client_message_id}
        if message.over != "media":
            return {"msgtype": "m.text", "body": message.body} | known
        address = await self._media.upload(message.body, self.credential)
        if isinstance(address, Refused | Unknown):
            return address
        return {"msgtype": FILE_MESSAGE, "body": message.client_message_id, "url": address} | known

    def _end(self, failed: Refused | Unknown) -> None:
        if failed.http_status == UNAUTHORISED:
            self._pushed.put_nowait(TokenRejected(failed.error_code))
        self._pushed.put_nowait(Closed(failed.http_status, failed.error_code, clean=False))

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Json | Refused | Unknown:
        return await self._http.request(method, f"{self._at.chat}{CLIENT}/{path}", json=body, token=self.credential)


def _unsent(why: Refused | Unknown) -> Refused:
    """A message whose file did not arrive was not sent, whatever became of the file."""
    return Refused(why.error_code, why.http_status, why.retry_after_ms)
