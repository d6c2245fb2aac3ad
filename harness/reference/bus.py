"""What instances tell each other, and the way it goes when there is only one.

The bus may lose anything: whoever must not miss it looks into the database as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from msgspec import Struct

from harness.reference.feeds import Positions
from harness.reference.sessions import Key


class Put(Struct, frozen=True, kw_only=True, tag="put"):
    """Something was put into feeds: the frame for live devices besides one, and those for which a push is noted."""

    positions: Positions
    frame: str
    besides: Key | None = None
    message_id: str = ""
    pushes: list[Key] = []


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """Tokens of a person have come to their end."""

    user: str
    tokens: list[bytes]
    how: str


class Opened(Struct, frozen=True, kw_only=True, tag="opened"):
    """A device has connected: at any other instance its connection is an old one."""

    key: Key
    connection: str
    opened_ms: int


class Closed(Struct, frozen=True, kw_only=True, tag="closed"):
    """A connection of a device has ended."""

    key: Key
    connection: str


News = Put | Ended | Opened | Closed


class Envelope(Struct, frozen=True):
    """News, and the instance that they are from."""

    sender: str
    news: News


class Bus(Protocol):
    """The way to the other instances."""

    def publish(self, news: News) -> None:
        """Tell the other instances, now or never."""
        ...

    async def check(self) -> bool:
        """Tell whether the way is open."""
        ...

    async def run(self, take: Callable[[News], None], opened: Callable[[], Awaitable[None]]) -> None:
        """Hand on what other instances tell until cancelled; ``opened`` each time after nothing could be heard."""
        ...


class NoBus:
    """The way to nobody."""

    def publish(self, news: News) -> None:
        """Tell nobody."""

    async def check(self) -> bool:
        """Nothing can be wrong with it."""
        return True

    async def run(self, take: Callable[[News], None], opened: Callable[[], Awaitable[None]]) -> None:
        """Hear of nobody."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


def pack(envelope: Envelope) -> bytes:
    """Return an envelope as bytes."""
    return _encoder.encode(envelope)


def unpack(data: bytes) -> Envelope:
    """Read an envelope; raises ``msgspec.DecodeError``."""
    return _decoder.decode(data)
