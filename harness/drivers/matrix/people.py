"""What a driver knows of its people: their accounts, the rooms they share, and which room a message lies in."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from harness.core.errors import EnvironmentFault
from harness.drivers.api import Account, Endpoint, Group, Person, Refused, Unknown
from harness.drivers.matrix.answers import LoginAnswer, RoomAnswer, read
from harness.drivers.matrix.http import CLIENT, Http, Json

REGISTER = "/_synapse/admin/v1/register"
SETTING_UP_LIMIT_S = 20.0
AT_ONCE = 4
"""What changes rooms is done by one transaction after the other, in a small server anyway."""


class People:
    """Accounts, made with a homeserver's registration secret, and what is set up in their names past every proxy."""

    def __init__(self, server_name: str, secret: str) -> None:
        self._server_name = server_name
        self._secret = secret
        self._at = ""
        self._tokens: dict[str, str] = {}
        self._direct: dict[frozenset[str], str] = {}
        self._in_making: dict[tuple[str, ...], asyncio.Task[Group | Refused | Unknown]] = {}
        self.room_of: dict[str, str] = {}
        """Rooms by message id: a receipt names both, and may be owed by a later session than the one that read it."""
        self.ignorers: set[str] = set()
        """Who has ever ignored somebody, and so does not see all that is in their rooms."""

    def user_id(self, name: str) -> str:
        """Return ``@alice:server``."""
        return f"@{name}:{self._server_name}"

    def direct_room(self, one: str, other: str) -> str:
        """Return the room of two people; raises ``EnvironmentFault`` where they were not introduced."""
        room = self._direct.get(frozenset((one, other)))
        if room is None:
            raise EnvironmentFault(f"{one} and {other} have no room to write to each other in")
        return room

    async def register(self, people: Sequence[Person], at: Endpoint) -> dict[str, Account]:
        """Make an account for each person; raises ``EnvironmentFault`` when the server will not."""
        self._at = at.auth
        http = Http()
        try:
            accounts = await _some_at_once([self._register(http, person) for person in people])
        finally:
            await http.close()
        return {account.person: account for account in accounts}

    async def introduce(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make a room for each pair that has none; raises ``EnvironmentFault`` when the server will not."""
        http = Http()
        lacking = {frozenset(pair): pair for pair in pairs if frozenset(pair) not in self._direct}
        try:
            await _some_at_once([self._introduce(http, *pair) for pair in lacking.values()])
        finally:
            await http.close()

    async def group(self, creator: str, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a room that everybody may join who knows it, and let the others join it.

        Whoever gives up waiting and asks again is told of the same room: many joins take their time.
        """
        key = (creator, *members)
        making = self._in_making.get(key)
        if making is None:
            making = self._in_making[key] = asyncio.create_task(self._group(creator, members))
        outcome = await asyncio.shield(making)
        self._in_making.pop(key, None)
        return outcome

    async def _register(self, http: Http, person: Person) -> Account:
        account = Account(person.name, person.name, secrets.token_urlsafe(12))
        nonce = await http.request("GET", f"{self._at}{REGISTER}", answer_limit_s=SETTING_UP_LIMIT_S)
        if isinstance(nonce, Refused | Unknown):
            raise _no_account(person, nonce)
        text = "\0".join([str(nonce.get("nonce")), account.user, account.password, "notadmin"])
        mac = hmac.new(self._secret.encode(), text.encode(), hashlib.sha1).hexdigest()
        body = {
            "nonce": nonce.get("nonce"),
            "username": account.user,
            "password": account.password,
            "displayname": person.display_name,
            "admin": False,
            "mac": mac,
        }
        answer = read(await self._post(http, REGISTER, body), LoginAnswer)
        if isinstance(answer, Refused | Unknown):
            raise _no_account(person, answer)
        self._tokens[person.name] = answer.access_token
        return account

    async def _introduce(self, http: Http, one: str, other: str) -> None:
        wanted = {"preset": "trusted_private_chat", "is_direct": True, "invite": [self.user_id(other)]}
        room = read(await self._post(http, f"{CLIENT}/createRoom", wanted, one), RoomAnswer)
        joined = room if isinstance(room, Refused | Unknown) else await self._join(http, room.room_id, other)
        if isinstance(room, Refused | Unknown) or isinstance(joined, Refused | Unknown):
            why = joined.error_code if isinstance(joined, Refused | Unknown) else ""
            raise EnvironmentFault(f"the service made no room for {one} and {other}: {why}", hint="its log says more")
        self._direct[frozenset((one, other))] = room.room_id

    async def _group(self, creator: str, members: Sequence[str]) -> Group | Refused | Unknown:
        visible = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
        wanted = {"preset": "public_chat", "visibility": "private", "initial_state": [visible]}
        http = Http()
        try:
            room = read(await self._post(http, f"{CLIENT}/createRoom", wanted, creator), RoomAnswer)
            if isinstance(room, Refused | Unknown):
                return room
            others = [member for member in members if member != creator]
            outcomes = await _some_at_once([self._join(http, room.room_id, member) for member in others])
        finally:
            await http.close()
        failed = next((outcome for outcome in outcomes if isinstance(outcome, Refused | Unknown)), None)
        return failed or Group(room.room_id)

    async def _join(self, http: Http, room: str, who: str) -> Json | Refused | Unknown:
        return await self._post(http, f"{CLIENT}/join/{quote(room, safe='')}", {}, who)

    async def _post(
        self, http: Http, path: str, body: dict[str, Any], who: str | None = None
    ) -> Json | Refused | Unknown:
        token = None if who is None else self._tokens[who]
        return await http.request(
            "POST", f"{self._at}{path}", json=body, token=token, answer_limit_s=SETTING_UP_LIMIT_S
        )


async def _some_at_once(calls: Sequence[Any]) -> list[Any]:
    some = asyncio.Semaphore(AT_ONCE)

    async def one(call: Any) -> Any:
        async with some:
            return await call

    outcomes = await asyncio.gather(*map(one, calls), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return list(outcomes)


def _no_account(person: Person, why: Refused | Unknown) -> EnvironmentFault:
    hint = {
        "M_USER_IN_USE": "each run needs a service with fresh data, or people with names of their own",
        "M_FORBIDDEN": "is `registration_secret` the server's `registration_shared_secret`?",
    }
    return EnvironmentFault(
        f"the service made no account for {person.name}: {why.error_code}",
        hint=hint.get(why.error_code, "its log says more"),
    )
