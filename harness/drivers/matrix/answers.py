"""Answers of a homeserver as a client reads them (client-server API, "Syncing" and "Getting events for a room")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from harness.core.events import Via
from harness.drivers.api import Credential, Delivered, ForDevice, Receipt, Refused, Stored, Unknown
from harness.drivers.matrix.http import Json

MESSAGE = "m.room.message"
FILE_MESSAGE = "m.file"
TO_DEVICE = "dev.chat-chaos.to_device"
"""Type of messages to devices: no type of the specification's, so that nobody takes them for keys."""
CLIENT_ID = "dev.chat-chaos.id"
"""Key in the content of a message: the protocol tells the sender's own device only which transaction made an event."""
BAD_ANSWER = Unknown("bad_answer")
NS_PER_MS = 1_000_000

T = TypeVar("T")


class RoomEvent(msgspec.Struct, frozen=True):
    """An event of a room's timeline."""

    event_id: str
    type: str
    sender: str
    origin_server_ts: int
    content: dict[str, Any] = {}
    state_key: str | None = None

    @property
    def file(self) -> str | None:
        """The address of the file that a message refers to (``mxc://SERVER/ID``)."""
        url = self.content.get("url")
        return url if self.content.get("msgtype") == FILE_MESSAGE and isinstance(url, str) else None

    @property
    def is_message(self) -> bool:
        """Whether it is a message that was not redacted."""
        return self.type == MESSAGE and isinstance(self.content.get("body"), str)

    def delivered(self, room: str) -> Delivered:
        """The message as it reaches a device."""
        return Delivered(**self._facts(room))

    def stored(self, room: str, place: int | None) -> Stored:
        """The message as the room's history holds it, at ``place`` from its beginning."""
        return Stored(**self._facts(room), conversation_seq=place)

    def _facts(self, room: str) -> dict[str, Any]:
        return {
            "message_id": self.event_id,
            "client_message_id": self.content.get(CLIENT_ID),
            "conversation_id": room,
            "sender": localpart(self.sender),
            "body": self.content["body"],
            "server_time_ns": self.origin_server_ts * NS_PER_MS,
        }


class Timeline(msgspec.Struct, frozen=True):
    """The latest events of a room; ``limited``: there are more before them, which lie before ``prev_batch``."""

    events: tuple[RoomEvent, ...] = ()
    limited: bool = False
    prev_batch: str | None = None


class Ephemeral(msgspec.Struct, frozen=True):
    """What is not part of a room's history: receipts."""

    events: tuple[dict[str, Any], ...] = ()


class Room(msgspec.Struct, frozen=True):
    """What is new in one room."""

    timeline: Timeline = Timeline()
    ephemeral: Ephemeral = Ephemeral()


class Rooms(msgspec.Struct, frozen=True):
    """What is new in all rooms, by room id."""

    join: dict[str, Room] = {}
    leave: dict[str, Room] = {}


class DeviceEvent(msgspec.Struct, frozen=True):
    """A message to the device that asks."""

    type: str
    sender: str
    content: dict[str, Any] = {}

    def arrived(self, via: Via) -> ForDevice | None:
        """The message as it reaches a device; None for one that is not from here."""
        known, body = self.content.get(CLIENT_ID), self.content.get("body")
        if self.type != TO_DEVICE or not isinstance(known, str) or not isinstance(body, str):
            return None
        return ForDevice(known, localpart(self.sender), body, via)


class DeviceEvents(msgspec.Struct, frozen=True):
    """Messages to the device; the server keeps them until it is asked by the ``next_batch`` that came with them."""

    events: tuple[DeviceEvent, ...] = ()


class SyncAnswer(msgspec.Struct, frozen=True):
    """What is new since a token, and the token from which to go on."""

    next_batch: str
    rooms: Rooms = Rooms()
    to_device: DeviceEvents = DeviceEvents()

    def changed(self) -> Iterator[tuple[str, Room]]:
        """Rooms with news, those that were left too."""
        yield from self.rooms.join.items()
        yield from self.rooms.leave.items()

    def for_device(self, via: Via) -> tuple[ForDevice, ...]:
        """Messages to the device."""
        arrived = (event.arrived(via) for event in self.to_device.events)
        return tuple(item for item in arrived if item is not None)


class MessagesAnswer(msgspec.Struct, frozen=True):
    """A page of a room's history, here always read backwards; without ``end`` nothing lies before it."""

    chunk: tuple[RoomEvent, ...]
    end: str | None = None


class LoginAnswer(msgspec.Struct, frozen=True):
    """The answer to a log-in, a registration or a refresh."""

    access_token: str
    refresh_token: str | None = None
    expires_in_ms: int | None = None

    def credential(self, refresh_token: str | None = None) -> Credential:
        """The credential that was issued; a refresh may leave the refresh token as it was."""
        life_s = None if self.expires_in_ms is None else self.expires_in_ms / 1000
        return Credential(self.access_token, self.refresh_token or refresh_token, life_s)


class RoomAnswer(msgspec.Struct, frozen=True):
    """A room was made."""

    room_id: str


class SentAnswer(msgspec.Struct, frozen=True):
    """An event was stored."""

    event_id: str


class UploadedAnswer(msgspec.Struct, frozen=True):
    """A file was stored."""

    content_uri: str


def read(answer: Json | Refused | Unknown, shape: type[T]) -> T | Refused | Unknown:
    """Read an answer as one of the shapes of this module; one that is not as the specification says is unknown."""
    if isinstance(answer, Refused | Unknown):
        return answer
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError:
        return BAD_ANSWER


def done(answer: Json | Refused | Unknown) -> Refused | Unknown | None:
    """Return None for a request that was carried out, whatever it answered."""
    return answer if isinstance(answer, Refused | Unknown) else None


def receipts(room: Room) -> Iterator[Receipt]:
    """What others have read (``m.receipt``: event id, kind of receipt, user); the protocol names no device."""
    for event in room.ephemeral.events:
        if event.get("type") == "m.receipt":
            for message_id, kinds in event.get("content", {}).items():
                for user in kinds.get("m.read", {}):
                    yield Receipt(message_id, "read", localpart(user))


def localpart(user: str) -> str:
    """Return ``alice`` of ``@alice:server``."""
    return user.removeprefix("@").partition(":")[0]
