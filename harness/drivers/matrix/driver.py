"""Driver for Matrix homeservers (source of all facts: the client-server API; accounts: Synapse's admin API)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count

from harness.core.clock import Clock
from harness.core.errors import UsageError
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
from harness.drivers.matrix.answers import LoginAnswer, RoomEvent, SyncAnswer, read
from harness.drivers.matrix.http import CLIENT, REJECTED_WITHOUT_EFFECT, Http
from harness.drivers.matrix.media import Media
from harness.drivers.matrix.people import People
from harness.drivers.matrix.session import Habits, MatrixSession
from harness.drivers.matrix.timelines import PAGE, Homeserver, News, Reading

ORACLE_DEVICE = "oracle"
ORACLE_PATIENCE_S = 20.0
OPTIONS = ("server_name", "registration_secret", "push_gateway", "poll", "timeline")
SHORTEST_POLL_S, LONGEST_POLL_S = 0.1, 60.0


def make(options: Mapping[str, str]) -> MatrixDriver:
    """Return the driver; raises ``UsageError`` for an option that it does not know, lacks or cannot read.

    ``server_name`` and ``registration_secret`` are the server's; ``push_gateway`` is the address that pushers are
    given; ``poll`` is the length of a long poll (``2s``), ``timeline`` the most events of a room in one answer.
    """
    unknown = next((name for name in options if name not in OPTIONS), None)
    if unknown is not None:
        raise UsageError(f"driver 'matrix' takes no option {unknown!r}", hint=f"it takes: {', '.join(OPTIONS)}")
    lacking = next((name for name in OPTIONS[:2] if not options.get(name)), None)
    if lacking is not None:
        raise UsageError(f"driver 'matrix' needs the option {lacking!r}", hint="write it below `driver:`")
    habits = Habits(
        poll_s=_seconds(options.get("poll", "2s")),
        timeline=_number(options.get("timeline", str(PAGE))),
        push_gateway=options.get("push_gateway"),
    )
    return MatrixDriver(People(options["server_name"], options["registration_secret"]), habits)


class MatrixDriver:
    """Speaks the client-server API over plain HTTP: a long poll for what is live, a request for everything else."""

    kind = "matrix"
    capabilities: frozenset[str] = frozenset(
        {"blocks", "groups", "http_send", "limited_sync", "media", "membership", "push", "refresh_token", "to_device"}
    )
    rejected_without_effect = REJECTED_WITHOUT_EFFECT

    def __init__(self, people: People, habits: Habits) -> None:
        self._people = people
        self._habits = habits
        self._connections = count(1)
        self._beginnings = count(1)

    def direct_conversation(self, one: str, other: str) -> str:
        """Return the room of two people who were introduced."""
        return self._people.direct_room(one, other)

    async def introduce(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make the rooms in which pairs of people write to each other."""
        await self._people.introduce(pairs)

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Register everybody under their own names."""
        return await self._people.register(people, at)

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:
        """Get an access and a refresh token; what this device had before ends with that."""
        http = Http()
        try:
            return await self._login(http, account, device.id.partition("/")[2], at)
        finally:
            await http.close()

    async def connect(
        self,
        account: Account,
        device: Device,
        at: Endpoint,
        *,
        clock: Clock,  # noqa: ARG002 - no client time in this protocol
        credential: Credential | None = None,
    ) -> MatrixSession | Refused | Unknown:
        """Ask for the end of the stream: who gets it is logged in, and polls from there."""
        shown = credential or await self.login(account, device, at)
        if isinstance(shown, Refused | Unknown):
            return shown
        http = Http()
        opened = False
        try:
            now = await self._beginning(Homeserver(http, at.chat), shown.token, Reading(1, nothing=True))
            opened = isinstance(now, SyncAnswer)
        finally:
            if not opened:
                await http.close()
        if isinstance(now, Refused | Unknown):
            return now
        return MatrixSession(
            device,
            at,
            shown,
            connection=f"{device.id}#{next(self._connections)}",
            beginning=now,
            http=http,
            people=self._people,
            habits=self._habits,
        )

    async def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Log a fresh device in and read the history of every room that the account is or was in."""
        http = Http()
        try:
            shown = await self._login(http, account, ORACLE_DEVICE, at)
            if isinstance(shown, Refused | Unknown):
                raise _broken_off(account, shown)
            server, media = Homeserver(http, at.chat), Media(http, at.chat)
            answer = await self._beginning(server, shown.token, Reading(PAGE, left=True), ORACLE_PATIENCE_S)
            if isinstance(answer, Refused | Unknown):
                raise _broken_off(account, answer)
            async for news in server.news(shown.token, answer, since=None):
                if isinstance(news, Refused | Unknown):
                    raise _broken_off(account, news)
                reader = None if account.person in self._people.ignorers else self._people.user_id(account.user)
                for event, stored in _stored(news, reader):
                    whole = await media.whole(event, stored, shown.token)
                    if isinstance(whole, Refused | Unknown):
                        raise _broken_off(account, whole)
                    yield whole
        finally:
            await http.close()

    async def _beginning(
        self, server: Homeserver, token: str, reading: Reading, patience_s: float = 0.0
    ) -> SyncAnswer | Refused | Unknown:
        """Sync without a token. Synapse answers an equal request from its memory for two minutes, so none is equal."""
        return await server.sync(token, reading, since=None, wait_ms=next(self._beginnings), patience_s=patience_s)

    async def _login(self, http: Http, account: Account, device: str, at: Endpoint) -> Credential | Refused | Unknown:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": account.user},
            "password": account.password,
            "device_id": device,
            "refresh_token": True,
        }
        answer = read(await http.request("POST", f"{at.auth}{CLIENT}/login", json=body), LoginAnswer)
        return answer if isinstance(answer, Refused | Unknown) else answer.credential()


def _stored(news: News, reader: str | None) -> list[tuple[RoomEvent, Stored]]:
    """The messages of a room, each with its place where the reader (None: surely not) saw all that came before it."""
    places = reader is not None and _sees_all(news.events, reader)
    return [
        (event, event.stored(news.room, place if places else None))
        for place, event in enumerate(news.events, start=1)
        if event.is_message
    ]


def _sees_all(events: Sequence[RoomEvent], reader: str) -> bool:
    """Tell whether a reading has no holes: the reader was never away, and nothing is kept from who came later.

    Where members see only what was written while they were in, whoever came later sees the room's making and then a
    hole: only the one who made the room has seen all of it.
    """
    if not events or events[0].type != "m.room.create":
        return False
    own = [event for event in events if event.type == "m.room.member" and event.state_key == reader]
    joins = sum(event.content.get("membership") == "join" for event in own)
    hidden = any(event.content.get("history_visibility") == "joined" for event in events)
    return joins == 1 and (not hidden or events[0].sender == reader)


def _broken_off(account: Account, why: Refused | Unknown) -> IncompleteRead:
    return IncompleteRead(f"the rooms of {account.person} could not be read to their end: {why.error_code}")


def _seconds(text: str) -> float:
    number = text.removesuffix("ms") if text.endswith("ms") else text.removesuffix("s")
    try:
        seconds = float(number) / (1000 if text.endswith("ms") else 1)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_POLL_S <= seconds <= LONGEST_POLL_S:
        raise UsageError(f"driver 'matrix': poll is {text!r}", hint="it is a time from 100ms to 60s")
    return seconds


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= PAGE:
        raise UsageError(f"driver 'matrix': timeline is {text!r}", hint=f"it is a number from 1 to {PAGE}")
    return int(text)
