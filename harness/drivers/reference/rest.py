"""What a device of the reference protocol asks over HTTP, each request on a connection of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from harness.drivers.api import (
    Accepted,
    Account,
    Credential,
    Endpoint,
    Group,
    Outgoing,
    Refreshed,
    Refused,
    ToDevice,
    Unknown,
)
from harness.drivers.reference.frames import NS_PER_MS, StoredAnswer
from harness.drivers.reference.http import Client, Json, request

BAD_ANSWER = Unknown("bad_answer")


class LoginAnswer(msgspec.Struct, frozen=True):
    """The answer to a login or a refresh; ``url`` is the address of the WebSocket, where the service gives one."""

    token: str
    refresh_token: str | None = None
    expires_in: float | None = None
    url: str | None = None

    def credential(self) -> Credential:
        """The credential that was issued."""
        return Credential(self.token, self.refresh_token, self.expires_in, self.url)


async def login(
    account: Account, device: str, at: Endpoint, client: Client | None = None
) -> Credential | Refused | Unknown:
    """Get tokens for a device."""
    body = {"user": account.user, "password": account.password, "device": device}
    return _credential(await request("POST", f"{at.auth}/v1/login", json=body, client=client))


class Rest:
    """Requests in the name of one device; ``credential`` is replaced by each refresh."""

    def __init__(self, at: Endpoint, credential: Credential) -> None:
        self.credential = credential
        self._at = at

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Exchange the refresh token for new tokens; without an answer the old one stays good."""
        before = self.credential
        if before.refresh_token is None:
            return Refused("no_refresh_token", http_status=401)
        body = {"refresh_token": before.refresh_token}
        after = _credential(await request("POST", f"{self._at.auth}/v1/refresh", json=body))
        if isinstance(after, Refused | Unknown):
            return after
        self.credential = replace(after, chat=before.chat)
        return Refreshed(self.credential)

    async def send(self, message: Outgoing) -> Accepted | Refused | Unknown:
        """Send once."""
        answer = await self._ask("POST", "messages", json=send_fields(message))
        if isinstance(answer, Refused | Unknown):
            return answer
        try:
            return msgspec.convert(answer, StoredAnswer).accepted()
        except msgspec.ValidationError:
            return BAD_ANSWER

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Register this device's push token, or remove it."""
        if token is None:
            return _done(await self._ask("DELETE", "push-token"))
        return _done(await self._ask("PUT", "push-token", json={"token": token}))

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a group."""
        answer = await self._ask("POST", "groups", json={"members": list(members)})
        if isinstance(answer, Refused | Unknown):
            return answer
        return Group(str(answer["conversation_id"])) if "conversation_id" in answer else BAD_ANSWER

    async def join(self, conversation_id: str) -> Refused | Unknown | None:
        """Become a member of a group."""
        return _done(await self._ask("POST", f"groups/{quote(conversation_id, safe='')}/join"))

    async def leave(self, conversation_id: str) -> Refused | Unknown | None:
        """Leave a group."""
        return _done(await self._ask("POST", f"groups/{quote(conversation_id, safe='')}/leave"))

    async def block(self, user: str) -> Refused | Unknown | None:
        """Block somebody."""
        return _done(await self._ask("PUT", f"blocks/{quote(user, safe='')}"))

    async def unblock(self, user: str) -> Refused | Unknown | None:
        """Take a block back."""
        return _done(await self._ask("DELETE", f"blocks/{quote(user, safe='')}"))

    async def send_to_device(self, message: ToDevice) -> Refused | Unknown | None:
        """Send to one device."""
        wanted = {"to": message.recipient, "device": message.device, "id": message.id, "body": message.body}
        return _done(await self._ask("POST", "device-messages", json=wanted))

    async def _ask(self, method: str, path: str, json: Json | None = None) -> Json | Refused | Unknown:
        return await request(method, f"{self._at.chat}/v1/{path}", json=json, token=self.credential.token)


def send_fields(message: Outgoing) -> dict[str, Any]:
    """Return what a send says, over either transport."""
    to = {"conversation_id": message.conversation_id} if message.recipient is None else {"to": message.recipient}
    return {
        "client_message_id": message.client_message_id,
        **to,
        "body": message.body,
        "client_time_ms": message.client_time_ns // NS_PER_MS,
    }


def _credential(answer: Json | Refused | Unknown) -> Credential | Refused | Unknown:
    if isinstance(answer, Refused | Unknown):
        return answer
    try:
        return msgspec.convert(answer, LoginAnswer).credential()
    except msgspec.ValidationError:
        return BAD_ANSWER


def _done(answer: Json | Refused | Unknown) -> Refused | Unknown | None:
    return answer if isinstance(answer, Refused | Unknown) else None
