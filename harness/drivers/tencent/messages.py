"""Messages as REST v4 writes them, numbered as an app's server has to number them."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from harness.core.clock import Clock
from harness.drivers.api import Delivered, Outgoing, Stored
from harness.drivers.tencent.rest import Json

NS_PER_S, NS_PER_MS = 1_000_000_000, 1_000_000
RECALLED = 8
"""Bit of ``MsgFlagBits``."""
TEXT = "TIMTextElem"
_UINT32 = 1 << 32


class Custom(msgspec.Struct, frozen=True, omit_defaults=True):
    """What travels in ``CloudCustomData``: the protocol has no place for the sender's own id."""

    chat_chaos_id: str | None = None


class Sent(msgspec.Struct, frozen=True):
    """The answer to a send."""

    time_s: int = msgspec.field(name="MsgTime")
    key: str = msgspec.field(name="MsgKey")


class Message(msgspec.Struct, frozen=True):
    """An item of ``MsgList`` (document 1047/35478)."""

    sender: str = msgspec.field(name="From_Account")
    recipient: str = msgspec.field(name="To_Account")
    seq: int = msgspec.field(name="MsgSeq")
    random: int = msgspec.field(name="MsgRandom")
    time_s: int = msgspec.field(name="MsgTimeStamp")
    key: str = msgspec.field(name="MsgKey")
    body: tuple[dict[str, Any], ...] = msgspec.field(name="MsgBody")
    flags: int = msgspec.field(default=0, name="MsgFlagBits")
    custom: str = msgspec.field(default="", name="CloudCustomData")

    @property
    def recalled(self) -> bool:
        """Whether it was taken back: it stays in the history, with a flag."""
        return bool(self.flags & RECALLED)

    @property
    def place(self) -> tuple[int, int]:
        """By what the messages of two people are ordered."""
        return (self.time_s, self.seq)

    def delivered(self) -> Delivered:
        """The message as it reaches a device."""
        return Delivered(**self._facts())

    def stored(self, number: int) -> Stored:
        """The message as the history holds it, the ``number``-th of its conversation."""
        return Stored(**self._facts(), conversation_seq=number)

    def _facts(self) -> dict[str, Any]:
        texts = [part["MsgContent"]["Text"] for part in self.body if part.get("MsgType") == TEXT]
        return {
            "message_id": self.key,
            "client_message_id": _client_id(self.custom),
            "conversation_id": conversation(self.sender, self.recipient),
            "sender": self.sender,
            "body": "".join(texts),
            "server_time_ns": self.time_s * NS_PER_S,
        }


def conversation(one: str, other: str) -> str:
    """Return the id of two people's conversation; the protocol has none, it names both ends."""
    return "c2c:" + ":".join(sorted((one, other)))


class Numbers:
    """The numbers of each message, given before its first attempt and kept for all: by them a repetition is known.

    Two people's messages are ordered by second and ``MsgSeq``, so a later message has a greater number, also one of
    another process: numbers are milliseconds, and one more where that is not enough.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = 0
        self._given: dict[str, Json] = {}

    def of(self, client_message_id: str) -> Json:
        """Return ``MsgSeq``, ``MsgRandom`` and ``MsgTimeStamp`` of a message."""
        given = self._given.get(client_message_id)
        if given is None:
            given = self._given[client_message_id] = self._next(client_message_id)
        return given

    def _next(self, client_message_id: str) -> Json:
        self._latest = max(self._latest + 1, self._clock.wall_ns() // NS_PER_MS)
        digest = hashlib.blake2b(client_message_id.encode(), digest_size=4).digest()
        return {
            "MsgSeq": self._latest % _UINT32,
            "MsgRandom": int.from_bytes(digest),
            "MsgTimeStamp": self._latest // 1000,
        }


def content(message: Outgoing) -> Json:
    """Return what a message says."""
    custom = msgspec.json.encode(Custom(message.client_message_id)).decode()
    return {"MsgBody": [{"MsgType": TEXT, "MsgContent": {"Text": message.body}}], "CloudCustomData": custom}


def _client_id(custom: str) -> str | None:
    try:
        return msgspec.json.decode(custom, type=Custom).chat_chaos_id
    except msgspec.DecodeError:
        return None  # somebody else's
