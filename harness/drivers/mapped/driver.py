"""Driver ``websocket``: speaks whatever protocol a mapping file describes (``docs/bring-your-own.md``)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus

from harness.core.clock import Clock, SystemClock
from harness.core.errors import EnvironmentFault
from harness.drivers.api import (
    Account,
    Credential,
    Device,
    Endpoint,
    IncompleteRead,
    Person,
    Refused,
    Stored,
    Unknown,
)
from harness.drivers.mapped import reading
from harness.drivers.mapped.file import BASES, load_mapping, named
from harness.drivers.mapped.groups import MappedGroupSession
from harness.drivers.mapped.http import CONNECT_LIMIT_S, Answered, decoded
from harness.drivers.mapped.model import CreateModel, MappingModel
from harness.drivers.mapped.protocol import Protocol
from harness.drivers.mapped.reading import PageRead
from harness.drivers.mapped.session import MappedSession
from harness.drivers.mapped.templates import Values, render, render_fields, render_url
from harness.drivers.retry_after import wait_ms

CLOSE_LIMIT_S = 0.5
MAX_FRAME_BYTES = 8 * 1024 * 1024
REGISTRATIONS_AT_ONCE = 16
ORACLE = Device("oracle", "", "web", "1.0.0")


def make(options: Mapping[str, str]) -> MappedDriver:
    """Return the driver for a mapping file; raises ``UsageError`` when it is missing or wrong."""
    file = Path(named(options))
    return MappedDriver(load_mapping(file), file.name)


class MappedDriver:
    """Speaks a mapped protocol; ``file`` is the mapping's name in messages."""

    kind = "websocket"

    def __init__(self, model: MappingModel, file: str, *, clock: Clock | None = None) -> None:
        self.capabilities = capabilities(model)
        self.rejected_without_effect = frozenset(model.errors.refused)
        self._model = model
        self._protocol = Protocol(model, file, clock or SystemClock())
        self._connections = count(1)
        self._accounts: dict[str, Account] = {}
        self._direct: Endpoint | None = None

    def direct_conversation(self, one: str, other: str) -> str:
        """Both sides compute the same id."""
        return self._protocol.names.direct(one, other)

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Make an account for everybody, or where the mapping registers nobody, say what they are called."""
        some = asyncio.Semaphore(REGISTRATIONS_AT_ONCE)

        async def register(person: Person) -> Account:
            async with some:
                return await self._register(person, at)

        accounts = await asyncio.gather(*map(register, people))
        self._direct = at
        self._accounts |= {account.person: account for account in accounts}
        return {account.person: account for account in accounts}

    async def introduce(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Have the service make the conversations of pairs of people, where the mapping says how."""
        for one, other in sorted({(min(pair), max(pair)) for pair in pairs}):
            if self._model.open is not None and (one, other) not in self._protocol.names.opened:
                self._protocol.names.opened[one, other] = await self._opened(self._model.open, one, other)

    async def _opened(self, request: CreateModel, one: str, other: str) -> str:
        assert self._direct is not None  # noqa: S101 - for the type checker; the people are provisioned
        account, names, rule = self._accounts[one], self._protocol.names, "open.answer"
        shown = await self.login(account, ORACLE, self._direct)
        made: str | Refused | Unknown
        if isinstance(shown, Refused | Unknown):
            made = shown
        else:
            values = self._values(account, ORACLE, self._direct, shown) | {
                "members": [names.users[person] for person in (one, other)],
                "member_ids": [names.ids.get(person) for person in (one, other)],
                "recipient": names.users[other],
                "recipient_id": names.ids.get(other),
            }
            made = self._protocol.understood(
                await self._protocol.over_http("open", request, values),
                rule,
                lambda frame: reading.text(rule, "conversation_id", request.answer.conversation_id, frame) or "",
            )
        if isinstance(made, Refused | Unknown):
            raise EnvironmentFault(
                f"the service made no conversation for {one} and {other}: {made.error_code}", hint="its log says more"
            )
        return made

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:
        """Get a token; an empty one where the protocol has none."""
        if self._model.login is None:
            return Credential("")
        return await self._protocol.token("login", self._model.login, self._values(account, device, at, None))

    async def connect(
        self,
        account: Account,
        device: Device,
        at: Endpoint,
        *,
        clock: Clock,  # noqa: ARG002 - the time of a handshake is the host's
        credential: Credential | None = None,
    ) -> MappedSession | Refused | Unknown:
        """Open the live connection at the address that the login's answer gave, or else at the mapping's."""
        shown = credential or await self.login(account, device, at)
        if isinstance(shown, Refused | Unknown):
            return shown
        values = self._values(account, device, at, shown)
        socket = await self._open(values, shown)
        if isinstance(socket, Refused | Unknown):
            return socket
        kind = MappedGroupSession if self.capabilities & {"groups", "blocks"} else MappedSession
        name = f"{device.id}#{next(self._connections)}"
        session = kind(socket, self._protocol, connection=name, credential=shown, values=values)
        refused = await session.hello()
        if refused is not None:
            await session.close(abrupt=True)
        return session if refused is None else refused

    async def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Read the account's archive page by page to its end."""
        shown = await self.login(account, ORACLE, at)
        if isinstance(shown, Refused | Unknown):
            raise _broken_off(account, shown.error_code)
        values = self._values(account, ORACLE, at, shown)
        cursor: str | None = None
        while True:
            page = await self._archive_page(account, {**values, "cursor": cursor, "now_ms": self._protocol.now_ms()})
            for facts in page.items:
                yield Stored(**facts)
            if not page.more:
                return
            if page.cursor is None or page.cursor == cursor:
                raise _broken_off(account, "the cursor does not move")
            cursor = page.cursor

    async def _archive_page(self, account: Account, values: Values) -> PageRead:
        rule, request = ("archive", self._model.archive) if self._model.archive else ("sync", self._model.sync)
        where = f"{rule}.answer"
        page = self._protocol.understood(
            await self._protocol.over_http(rule, request, values),
            where,
            lambda frame: reading.page(where, request.answer, self._model.message, frame, self._protocol.names),
        )
        if isinstance(page, Refused | Unknown):
            raise _broken_off(account, page.error_code)
        return page

    async def _register(self, person: Person, at: Endpoint) -> Account:
        words = {"person": person.name, "random": secrets.token_urlsafe(12)}
        account = Account(
            person.name, str(render(self._model.account.user, words)), str(render(self._model.account.password, words))
        )
        request, user_id = self._model.register_, None
        if request is not None:
            values = self._values(account, _first(person), at, None)
            answer = await self._protocol.over_http("register", request, values)
            path = request.answer.user_id if request.answer else None
            user_id = self._protocol.understood(
                answer, "register.answer", lambda frame: reading.take("register.answer", "user_id", path, frame)
            )
        if isinstance(user_id, Refused | Unknown):
            raise EnvironmentFault(
                f"the service made no account for {person.name}: {user_id.error_code}",
                hint="each run needs a service with fresh data; its log says more",
            )
        self._protocol.names.learn(person.name, account.user, user_id)
        return account

    def _values(self, account: Account, device: Device, at: Endpoint, shown: Credential | None) -> dict[str, Any]:
        return {
            "chat": at.chat,
            "auth": at.auth,
            "person": account.person,
            "user": account.user,
            "user_id": self._protocol.names.ids.get(account.person),
            "password": account.password,
            "device": device.id,
            "device_name": device.id.rpartition("/")[2],
            "platform": device.platform,
            "client_version": device.client_version,
            "token": shown.token if shown else None,
            "refresh_token": shown.refresh_token if shown else None,
        }

    async def _open(self, values: Values, shown: Credential) -> ClientConnection | Refused | Unknown:
        how = self._model.connect
        by_frames = how.ping.frame is not None
        try:
            return await connect(
                _address(how.url, how.query, values, shown),
                additional_headers=render_fields(how.headers, values),
                compression=None,
                open_timeout=CONNECT_LIMIT_S,
                ping_interval=None if by_frames else how.ping.every,
                ping_timeout=None if by_frames else how.ping.within,
                close_timeout=CLOSE_LIMIT_S,
                max_size=MAX_FRAME_BYTES,
                proxy=None,
            )
        except InvalidStatus as refused:
            return self._protocol.refused_upgrade(_answered(refused))
        except (InvalidHandshake, OSError, EOFError) as problem:
            return _failed(problem)


def capabilities(model: MappingModel) -> frozenset[str]:
    """Return what a scenario may need that a mapping provides."""
    has = {
        "groups": model.groups,
        "membership": model.groups,
        "blocks": model.blocks,
        "direct_blocks": model.blocks,
        "http_send": model.send_http or model.send.http,
        "push": model.push,
        "refresh_token": model.refresh,
    }
    return frozenset(name for name, part in has.items() if part is not None)


def _first(person: Person) -> Device:
    return person.devices[0] if person.devices else ORACLE


def _address(template: str, query: Mapping[str, Any], values: Values, shown: Credential) -> str:
    url = shown.chat or render_url(template, values, bases=BASES)
    if fields := render_fields(query, values):
        url += ("&" if "?" in url else "?") + urlencode(fields)
    return "ws" + url.removeprefix("http") if url.startswith("http") else url


def _answered(refused: InvalidStatus) -> Answered:
    response = refused.response
    body = decoded(bytes(response.body or b""), response.headers.get("Content-Type", ""))
    return Answered(response.status_code, body, wait_ms(response.headers, datetime.now(UTC)))


def _failed(problem: InvalidHandshake | OSError | EOFError) -> Refused | Unknown:
    match problem:
        case ConnectionRefusedError():
            return Refused("connect_failed")
        case TimeoutError():
            return Unknown("connect_timeout")
        case InvalidMessage() | OSError() | EOFError():
            return Unknown("connection_lost")
        case _:
            return Unknown("bad_handshake")


def _broken_off(account: Account, why: str) -> IncompleteRead:
    return IncompleteRead(f"the archive of {account.person} could not be read to its end: {why}")
