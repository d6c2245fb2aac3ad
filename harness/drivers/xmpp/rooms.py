"""Rooms with several people (XEP-0045): who is to be in which, and how a device enters one.

A room knows occupants, each by an address and for as long as its stream lives. Members of a group are people, with all
their devices, so each device enters the rooms of its person on each new stream, as apps do with their bookmarks
(XEP-0402). An occupant is called by the device's id, so that everybody knows whose messages are whose.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from harness.drivers.api import Group, Refused, Unknown
from harness.drivers.xmpp.exchange import LOST, Exchange, Handled
from harness.drivers.xmpp.stanzas import refusal
from harness.drivers.xmpp.xml import Element

MUC = "http://jabber.org/protocol/muc"
MUC_USER = "http://jabber.org/protocol/muc#user"
OWN_PRESENCE = "110"
NO_ROOMS = Refused("no_rooms", http_status=404)
NAME_BYTES = 6


class Occupant(Protocol):
    """A device as the rooms of its person see it."""

    async def enter(self, room: str) -> Handled:
        """Be in a room from now on; None once the room says so."""
        ...

    async def exit(self, room: str) -> Handled:
        """Be in it no longer."""
        ...


class Rooms:
    """Which rooms people are in, and which of their devices are there to enter them; shared by a driver's devices."""

    def __init__(self, service: str | None) -> None:
        self._service = service
        self._of: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._there: defaultdict[str, dict[str, Occupant]] = defaultdict(dict)
        self._in_making: dict[tuple[str, ...], asyncio.Task[Group | Refused | Unknown]] = {}

    def of(self, user: str) -> tuple[str, ...]:
        """The rooms of a person."""
        return tuple(self._of[user])

    def arrived(self, user: str, device: str, occupant: Occupant) -> None:
        """Take note of the latest stream of a device."""
        self._there[user][device] = occupant

    async def make(self, creator: str, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a room and have everybody in it; who gives up waiting and asks again is told of the same one."""
        if self._service is None:
            return NO_ROOMS
        key = (creator, *members)
        making = self._in_making.get(key)
        if making is None:
            making = self._in_making[key] = asyncio.create_task(self._make(creator, members))
        outcome = await asyncio.shield(making)
        self._in_making.pop(key, None)
        return outcome

    async def join(self, user: str, room: str) -> Handled:
        """Have a person in a room with all devices."""
        self._of[user][room] = None
        return _worst(await asyncio.gather(*(each.enter(room) for each in self._there[user].values())))

    async def leave(self, user: str, room: str) -> Handled:
        """Have a person out of it."""
        self._of[user].pop(room, None)
        return _worst(await asyncio.gather(*(each.exit(room) for each in self._there[user].values())))

    async def _make(self, creator: str, members: Sequence[str]) -> Group | Refused | Unknown:
        room = f"{secrets.token_hex(NAME_BYTES)}@{self._service}"
        # Who enters first makes the room.
        failed = await self.join(creator, room)
        others = [member for member in members if member != creator]
        failed = failed or _worst(await asyncio.gather(*(self.join(member, room) for member in others)))
        return failed or Group(room)


def _worst(outcomes: Sequence[Handled]) -> Handled:
    return next((outcome for outcome in outcomes if outcome is not None), None)


class Entrance:
    """The comings and goings of one stream in rooms."""

    def __init__(self, exchange: Exchange, nick: str) -> None:
        self._exchange = exchange
        self._nick = nick
        self._entering: dict[str, asyncio.Future[Handled]] = {}

    async def enter(self, room: str) -> Handled:
        """Ask to be in, without the past, and wait until the room says so: to oneself last (XEP-0045, 7.2.2)."""
        if self._exchange.over:
            return LOST
        at = f"{room}/{self._nick}"
        waiting = self._entering.get(at)
        if waiting is None:
            waiting = self._entering[at] = asyncio.get_running_loop().create_future()
            wanted = Element("x", MUC, children=[Element("history", MUC, {"maxstanzas": "0"})])
            self._exchange.put(Element("presence", attrs={"to": at, "id": self._exchange.name("e")}, children=[wanted]))
        return await asyncio.shield(waiting)

    async def exit(self, room: str) -> Handled:
        """Say that one is gone."""
        attrs = {"to": f"{room}/{self._nick}", "type": "unavailable", "id": self._exchange.name("e")}
        return await self._exchange.handled(Element("presence", attrs=attrs))

    def take(self, presence: Element) -> None:
        """Take a presence: the end of an entering, or its refusal; of others' nothing is made."""
        refused = presence.get("type") == "error"
        told = presence.child("x", MUC_USER)
        own = told is not None and any(each.get("code") == OWN_PRESENCE for each in told.all("status", MUC_USER))
        waiting = self._entering.pop(presence.get("from"), None) if refused or own else None
        if waiting is not None:
            waiting.set_result(refusal(presence) if refused else None)

    def end(self) -> None:
        """Let nobody wait any longer."""
        for waiting in self._entering.values():
            waiting.set_result(LOST)
        self._entering.clear()
