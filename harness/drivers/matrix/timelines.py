"""Reading rooms: one /sync, its gaps filled from the rooms' histories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from harness.drivers.api import Receipt, Refused, Unknown
from harness.drivers.matrix.answers import MessagesAnswer, Room, RoomEvent, SyncAnswer, read, receipts
from harness.drivers.matrix.http import ANSWER_LIMIT_S, CLIENT, Http

PAGE = 100
"""Events of one page of a room's history; Synapse gives no more of a timeline either (``filter_timeline_limit``)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of what a device wants to be told: timelines with so many events, receipts, rooms that were left."""

    events: int = PAGE
    receipts: bool = False
    left: bool = False
    nothing: bool = False

    def filter(self) -> str:
        """The filter as the parameter of a request."""
        none: Mapping[str, object] = {"types": []}
        room: dict[str, object] = {
            "timeline": {"limit": self.events},
            "state": {"lazy_load_members": True},
            "ephemeral": {"types": ["m.receipt"] if self.receipts else []},
            "account_data": none,
            "include_leave": self.left,
        }
        if self.nothing:
            room["rooms"] = []
        return msgspec.json.encode({"room": room, "presence": none, "account_data": none}).decode()


@dataclass(frozen=True, slots=True)
class News:
    """What is new in one room, in the room's order; ``filled`` if a part had been left out and was fetched."""

    room: str
    events: tuple[RoomEvent, ...]
    receipts: tuple[Receipt, ...] = ()
    filled: bool = False


class Homeserver:
    """What one device reads from a homeserver at one address."""

    def __init__(self, http: Http, base: str) -> None:
        self._http = http
        self._base = base

    async def sync(
        self, token: str, reading: Reading, *, since: str | None, wait_ms: int, patience_s: float = 0.0
    ) -> SyncAnswer | Refused | Unknown:
        """Ask once what is new since a token, waiting ``wait_ms`` where nothing is.

        Gives up when the server has said nothing for ``patience_s`` more than that, or the usual limit.
        """
        params = {"filter": reading.filter(), "timeout": str(wait_ms), "set_presence": "offline"}
        limit_s = wait_ms / 1000 + patience_s if patience_s else ANSWER_LIMIT_S
        params |= {} if since is None else {"since": since}
        answer = await self._http.request(
            "GET", f"{self._base}{CLIENT}/sync", params=params, token=token, answer_limit_s=limit_s
        )
        return read(answer, SyncAnswer)

    async def news(
        self, token: str, answer: SyncAnswer, *, since: str | None
    ) -> AsyncIterator[News | Refused | Unknown]:
        """Yield what is new in each room, gaps filled; a gap that cannot be filled is yielded as what went wrong."""
        for name, room in answer.changed():
            earlier = await self._gap(token, name, room, since)
            if isinstance(earlier, Refused | Unknown):
                yield earlier
                return
            yield News(name, (*earlier, *room.timeline.events), tuple(receipts(room)), filled=bool(earlier))

    async def _gap(
        self, token: str, name: str, room: Room, since: str | None
    ) -> tuple[RoomEvent, ...] | Refused | Unknown:
        """What lies between ``since`` (or the room's beginning) and the timeline, oldest first."""
        timeline = room.timeline
        if not timeline.limited or timeline.prev_batch is None:
            return ()
        found: list[RoomEvent] = []
        at: str | None = timeline.prev_batch
        while at is not None:
            page = await self._page(token, name, at, since)
            if isinstance(page, Refused | Unknown):
                return page
            found.extend(page.chunk)
            at = page.end if page.chunk and page.end != at else None
        return tuple(reversed(found))

    async def _page(self, token: str, name: str, at: str, since: str | None) -> MessagesAnswer | Refused | Unknown:
        params = {"dir": "b", "from": at, "limit": str(PAGE)} | ({} if since is None else {"to": since})
        url = f"{self._base}{CLIENT}/rooms/{quote(name, safe='')}/messages"
        return read(await self._http.request("GET", url, params=params, token=token), MessagesAnswer)
