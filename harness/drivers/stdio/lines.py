"""The lines between the harness and a client program, as ``docs/bring-your-own.md`` describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

VERSION = 1
MAX_LINE = 1024 * 1024
_SHOWN = 60


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", forbid_unknown_fields=True):
    """Something that a client says."""


class Connected(Line, frozen=True, kw_only=True, tag="connected"):
    """There is a live connection."""


class Disconnected(Line, frozen=True, kw_only=True, tag="disconnected"):
    """The live connection has ended, or could not be made."""

    reason: str = "connection_lost"
    clean: bool = False


class Sending(Line, frozen=True, kw_only=True, tag="sending"):
    """An attempt to send begins: said before the request leaves."""

    op: str
    client_message_id: str = ""


class Accepted(Line, frozen=True, kw_only=True, tag="accepted"):
    """The service's acknowledgement has reached the client."""

    op: str
    message_id: str
    conversation_id: str | None = None
    conversation_seq: int | None = None
    server_time_ms: int | None = None


class Failed(Line, frozen=True, kw_only=True, tag="failed"):
    """An attempt has failed; ``final``: the user is shown that the message was not sent."""

    op: str
    outcome: Literal["refused", "unknown"]
    error_code: str
    http_status: int | None = None
    retry_after_ms: int | None = None
    final: bool = False


class Retry(Line, frozen=True, kw_only=True, tag="retry"):
    """Another attempt is planned."""

    op: str
    delay_ms: int | None = None


class Received(Line, frozen=True, kw_only=True, tag="received"):
    """A message has reached the client, once for each time that the app gets to see it."""

    message_id: str
    conversation_id: str
    sender: str
    body: str
    via: Literal["live", "sync"]
    client_message_id: str | None = None
    conversation_seq: int | None = None
    server_time_ms: int | None = None


class Opened(Line, frozen=True, kw_only=True, tag="opened"):
    """The user has opened a message."""

    message_id: str


class Shows(Line, frozen=True, kw_only=True, tag="shows"):
    """The user is shown that a message was delivered or read; ``by`` is whose device it was, where that is known."""

    state: Literal["delivered", "read"]
    message_id: str
    by: str | None = None


class Synced(Line, frozen=True, kw_only=True, tag="synced"):
    """What ``sync`` asked for is done."""

    id: int


class Pong(Line, frozen=True, kw_only=True, tag="pong"):
    """The client is alive."""

    id: int


Said = Connected | Disconnected | Sending | Accepted | Failed | Retry | Received | Opened | Shows | Synced | Pong

_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


class BadLine(ValueError):
    """A line that is not of the protocol; its text says what is wrong and shows nothing of what it says."""


def decode(line: bytes) -> Said:
    """Read a client's line; raises ``BadLine``."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as wrong:
        raise BadLine(f"{_kind(line)}: {wrong}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadLine(f"{len(line)} bytes that are no JSON object") from None


def encode(do: str, **fields: Any) -> bytes:
    """Write a line of the harness; what is None is left out."""
    told: Mapping[str, Any] = {name: value for name, value in fields.items() if value is not None}
    return msgspec.json.encode({"do": do, **told}) + b"\n"


def _kind(line: bytes) -> str:
    try:
        said = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return "a line"
    word = said.get("say") if isinstance(said, dict) else None
    return f"a line {word[:_SHOWN]!r}" if isinstance(word, str) else "a line without 'say'"
