"""What goes over the wire: requests and frames of the protocol in ``docs/reference-protocol.md``, and their limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

MAX_FRAME_BYTES = 128 * 1024
"""Any text within ``MAX_BODY_BYTES`` fits, even when each of its characters is escaped (six bytes for one)."""
MAX_BODY_BYTES = 16 * 1024
MAX_MEMBERS = 10_000
TOO_DEEP = "the JSON is nested too deep"
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
CLOSE_TOKEN_REVOKED = 4002

NO_NUL = "^[^\\x00]*$"
"""A database may not store NUL in names; the text of a message may have it."""
UserName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ShortText = Annotated[str, Meta(min_length=1, max_length=128, pattern=NO_NUL)]
Cursor = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]
Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]
Rate = Annotated[float, Meta(ge=0.001, le=1e6)]
ReceiptState = Literal["delivered", "read"]


class Refused(Exception):
    """The service did not do what was asked and stored nothing of it; ``code`` is one of the documented ones."""

    def __init__(self, code: str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms


class Registration(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/register``."""

    user: UserName
    password: ShortText


class Credentials(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/login``."""

    user: ShortText
    password: ShortText
    device: ShortText


class RefreshToken(Struct, frozen=True):
    """The body of ``POST /v1/refresh``."""

    refresh_token: ShortText


class Members(Struct, frozen=True):
    """The body of ``POST /v1/groups``."""

    members: Annotated[list[ShortText], Meta(max_length=MAX_MEMBERS)]


class PushToken(Struct, frozen=True):
    """The body of ``PUT /v1/push-token``."""

    token: Annotated[str, Meta(min_length=1, max_length=512, pattern=NO_NUL)]


class Draft(Struct, frozen=True, kw_only=True):
    """What a client asks to store and hand to one person (``to``) or to the members of a group."""

    client_message_id: ShortText
    body: Annotated[str, Meta(min_length=1)]
    to: ShortText | None = None
    conversation_id: ShortText | None = None
    client_time_ms: Milliseconds | None = None

    def __post_init__(self) -> None:
        if (self.to is None) == (self.conversation_id is None):
            raise ValueError("either `to` or `conversation_id` is needed")


class Send(Draft, frozen=True, kw_only=True, tag="send"):
    """A send over the live connection."""

    ref: ShortText
    message_type: str = "text"


class Post(Draft, frozen=True, kw_only=True):
    """The body of ``POST /v1/messages``: the same send over HTTP."""

    type: str = "text"


class DeviceDraft(Struct, frozen=True, kw_only=True):
    """The body of ``POST /v1/device-messages``: a message to one device of somebody."""

    to: ShortText
    device: ShortText
    id: ShortText
    body: Annotated[str, Meta(min_length=1)]


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


class Confirm(Struct, frozen=True, kw_only=True, tag="confirm"):
    """A client tells that a message to its device is there: it need not come again."""

    ref: ShortText
    sender: ShortText
    id: ShortText


Request = Send | Mark | Sync | Confirm


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
    """The receipt, or the word that a message to the device is there, was taken."""

    ref: str


class Error(Struct, frozen=True, tag="error", omit_defaults=True):
    """The request was not carried out; ``ref`` is null when the frame could not be read."""

    ref: str | None
    code: str
    message: str
    retry_after_ms: int | None = None


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


class DeviceMessage(Struct, frozen=True, kw_only=True, tag="to_device"):
    """A message to this device alone, kept for it until it is confirmed."""

    id: str
    sender: str
    body: str


Frame = Message | Ack | Ok | Error | Receipt | Page | DeviceMessage


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Rate limits in messages a second, of each person and of all together; None: unlimited."""

    per_user: Rate | None = None
    overall: Rate | None = None


class User(Struct, frozen=True):
    """Whom the control port is asked about."""

    user: ShortText


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
    except RecursionError:  # values nested a thousand deep are for nobody's use
        return Error(None, "bad_request", TOO_DEEP)


def _ref_of(text: str) -> str | None:
    try:
        return _refs.decode(text).ref
    except (msgspec.DecodeError, RecursionError):
        return None


def encode(frame: Frame) -> str:
    """Return the text of a frame."""
    return _encoder.encode(frame).decode()


def to_json(value: Any) -> bytes:
    """Return the JSON of an HTTP answer or a log line."""
    return _encoder.encode(value)


def check_content(body: str, type: str) -> None:
    """Raise ``Refused`` for a text that is too long, and for anything that is no text."""
    if type != "text":
        raise Refused("unsupported_type", "messages are of type text")
    if len(body) > MAX_BODY_BYTES or len(body.encode()) > MAX_BODY_BYTES:
        raise Refused("too_large", f"a text has at most {MAX_BODY_BYTES} bytes")


def conversation_between(one: str, other: str) -> str:
    """Return the id of a direct conversation: both sides compute the same one."""
    return "d:" + ":".join(sorted((one, other)))
