"""What goes over the wire: requests and frames of the protocol in ``docs/reference-protocol.md``, and their limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

MAX_FRAME_BYTES = 64 * 1024
MAX_PAGE_BYTES = 256 * 1024
"""A page ends early rather than outgrow what WebSocket clients accept by default (1 MiB)."""
DEFAULT_PAGE = 100
MAX_PAGE = 500

CLOSE_NORMAL = frozenset({1000, 1001})
CLOSE_NO_BINARY = 1003
CLOSE_ABNORMAL = 1006
CLOSE_TOO_SLOW = 1013
CLOSE_REPLACED = 4000
CLOSE_TOKEN_EXPIRED = 4001

UserName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ShortText = Annotated[str, Meta(min_length=1, max_length=128)]
Cursor = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]
Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]
ReceiptState = Literal["delivered", "read"]


class Refused(Exception):
    """The service did not do what was asked and stored nothing of it; ``code`` is one of the documented ones."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Registration(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/register``."""

    user: UserName
    password: ShortText


class Credentials(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/login``."""

    user: ShortText
    password: ShortText
    device: ShortText


class Send(Struct, frozen=True, kw_only=True, tag="send"):
    """A client asks to store a message and hand it to one person."""

    ref: ShortText
    client_message_id: ShortText
    to: ShortText
    body: Annotated[str, Meta(min_length=1)]
    client_time_ms: Milliseconds | None = None


class Mark(Struct, frozen=True, kw_only=True, tag="receipt"):
    """A client tells that its device got or opened a message."""

    ref: ShortText
    message_id: ShortText
    state: ReceiptState


class Sync(Struct, frozen=True, kw_only=True, tag="sync"):
    """A client asks for one page of what came after its cursor."""

    ref: ShortText
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1)] = DEFAULT_PAGE


Request = Send | Mark | Sync


class Message(Struct, frozen=True, kw_only=True, tag="message"):
    """A stored message: a live frame, and an item of a page."""

    message_id: str
    client_message_id: str
    conversation_id: str
    seq: int
    sender: str
    body: str
    server_time_ms: int
    client_time_ms: int | None


class Ack(Struct, frozen=True, kw_only=True, tag="ack"):
    """The message is on disk."""

    ref: str
    message_id: str
    client_message_id: str
    conversation_id: str
    seq: int
    server_time_ms: int


class Ok(Struct, frozen=True, tag="ok"):
    """The receipt was taken."""

    ref: str


class Error(Struct, frozen=True, tag="error"):
    """The request was not carried out; ``ref`` is null when the frame could not be read."""

    ref: str | None
    code: str
    message: str


class Receipt(Struct, frozen=True, kw_only=True, tag="receipt"):
    """Word for a message's sender that ``device`` of ``by`` got or opened it."""

    message_id: str
    state: ReceiptState
    by: str
    device: str


class Page(Struct, frozen=True, kw_only=True, tag="page"):
    """One page of a sync; ``cursor`` is where the next one starts."""

    ref: str
    items: list[Message]
    cursor: str
    more: bool


Frame = Message | Ack | Ok | Error | Receipt | Page


class _OnlyRef(Struct):
    ref: str | None = None


_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_refs = msgspec.json.Decoder(_OnlyRef)
_encoder = msgspec.json.Encoder()


def decode(text: str) -> Request | Error:
    """Read a client's frame; one that is not as documented becomes the error frame to answer with."""
    try:
        return _requests.decode(text)
    except msgspec.DecodeError as wrong:
        return Error(_ref_of(text), "bad_request", str(wrong))


def _ref_of(text: str) -> str | None:
    try:
        return _refs.decode(text).ref
    except msgspec.DecodeError:
        return None


def encode(frame: Frame) -> str:
    """Return the text of a frame."""
    return _encoder.encode(frame).decode()


def to_json(value: Any) -> bytes:
    """Return the JSON of an HTTP answer or a log line."""
    return _encoder.encode(value)


def conversation_between(one: str, other: str) -> str:
    """Return the id of a direct conversation: both sides compute the same one."""
    return "d:" + ":".join(sorted((one, other)))
