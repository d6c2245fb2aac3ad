"""Frames of the reference protocol as a client reads and writes them (source: ``docs/reference-protocol.md``).

Written anew and not shared with the backend: a client that reads with the server's own code cannot notice that the
server writes something else than it documents.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.drivers.api import (
    Accepted,
    Delivered,
    ForDevice,
    Outgoing,
    Page,
    Receipt,
    ReceiptState,
    Refused,
    Stored,
    Unknown,
)

NS_PER_MS = 1_000_000

STATUS_OF_CODE: Mapping[str, int] = {
    "bad_request": 400,
    "not_a_member": 403,
    "unknown_recipient": 404,
    "unknown_message": 404,
    "id_reused": 409,
    "too_large": 413,
    "unsupported_type": 415,
    "rate_limited": 429,
}
"""Error codes after which nothing was stored, with the HTTP status of the same meaning; others leave it open."""


class SendFrame(msgspec.Struct, frozen=True, omit_defaults=True, tag="send"):
    """A client's send, to one person (``to``) or to a group."""

    ref: str
    client_message_id: str
    body: str
    client_time_ms: int
    to: str | None = None
    conversation_id: str | None = None


class MarkFrame(msgspec.Struct, frozen=True, tag="receipt"):
    """A client tells that its device got or opened a message."""

    ref: str
    message_id: str
    state: ReceiptState


class SyncFrame(msgspec.Struct, frozen=True, omit_defaults=True, tag="sync"):
    """A client asks for one page of what came after its cursor."""

    ref: str
    cursor: str | None = None


class ConfirmFrame(msgspec.Struct, frozen=True, tag="confirm"):
    """A client tells that a message to its device is there."""

    ref: str
    sender: str
    id: str


class MessageFrame(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """A stored message: live, in a page of a sync and in the archive alike."""

    message_id: str
    client_message_id: str
    conversation_id: str
    seq: int
    sender: str
    body: str
    server_time_ms: int

    def delivered(self) -> Delivered:
        """The message as it reaches a device."""
        return Delivered(*self._facts())

    def stored(self) -> Stored:
        """The message as the archive holds it."""
        return Stored(*self._facts())

    def _facts(self) -> tuple[str, str, str, str, str, int, int]:
        return (
            self.message_id,
            self.client_message_id,
            self.conversation_id,
            self.sender,
            self.body,
            self.seq,
            self.server_time_ms * NS_PER_MS,
        )


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The message is on disk: the answer to a send over HTTP."""

    message_id: str
    conversation_id: str
    seq: int
    server_time_ms: int

    def accepted(self, request_id: str | None = None) -> Accepted:
        """The acknowledgement as an outcome."""
        return Accepted(self.message_id, self.conversation_id, self.seq, self.server_time_ms * NS_PER_MS, request_id)


class AckFrame(StoredAnswer, frozen=True, kw_only=True, tag="ack"):
    """The same over the live connection."""

    ref: str


class OkFrame(msgspec.Struct, frozen=True, tag="ok"):
    """The receipt, or the word that a message to the device is there, was taken."""

    ref: str


class ErrorFrame(msgspec.Struct, frozen=True, tag="error"):
    """The request was not carried out, or the service does not know whether it was."""

    ref: str | None
    code: str
    message: str = ""
    retry_after_ms: int | None = None

    def outcome(self) -> Refused | Unknown:
        """A refusal only for codes that are documented to leave nothing behind."""
        status = STATUS_OF_CODE.get(self.code)
        if status is None:
            return Unknown(self.code, retry_after_ms=self.retry_after_ms)
        return Refused(self.code, http_status=status, retry_after_ms=self.retry_after_ms)


class ReceiptFrame(msgspec.Struct, frozen=True, kw_only=True, tag="receipt"):
    """Word that somebody's device got or opened a message."""

    message_id: str
    state: ReceiptState
    by: str
    device: str | None = None

    def receipt(self) -> Receipt:
        """The receipt as it reaches the sender's device."""
        return Receipt(self.message_id, self.state, self.by, self.device)


class ToDeviceFrame(msgspec.Struct, frozen=True, kw_only=True, tag="to_device"):
    """A message to this device alone."""

    id: str
    sender: str
    body: str

    def arrived(self) -> ForDevice:
        """The message as it reaches the device."""
        return ForDevice(self.id, self.sender, self.body)


class PageFrame(msgspec.Struct, frozen=True, kw_only=True, tag="page"):
    """One page of what came after a cursor."""

    ref: str
    items: tuple[MessageFrame, ...]
    cursor: str
    more: bool

    def page(self) -> Page:
        """The page as an outcome."""
        return Page(tuple(item.delivered() for item in self.items), self.cursor, self.more)


class ArchivePage(msgspec.Struct, frozen=True):
    """One page of the archive, an answer over HTTP."""

    items: tuple[MessageFrame, ...]
    cursor: str
    more: bool


Request = SendFrame | MarkFrame | SyncFrame | ConfirmFrame
Answer = AckFrame | OkFrame | ErrorFrame | PageFrame
Push = MessageFrame | ReceiptFrame | ToDeviceFrame
Frame = Answer | Push

BadFrame = msgspec.DecodeError

_decoder: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)
_encode = msgspec.json.Encoder().encode


def send_frame(ref: str, message: Outgoing) -> SendFrame:
    """Return the frame that sends a message."""
    to, group = message.recipient, None if message.recipient is not None else message.conversation_id
    return SendFrame(ref, message.client_message_id, message.body, message.client_time_ns // NS_PER_MS, to, group)


def decode(text: str | bytes) -> Frame:
    """Read a frame of the service; raises ``BadFrame`` for one that is not as documented."""
    return _decoder.decode(text)


def encode(frame: Request) -> bytes:
    """Write a client's frame."""
    return _encode(frame)
