"""HTTP/1.1 as a small server needs it: requests out of bytes, bytes out of responses; no sockets here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 4 * 1024 * 1024

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VERSIONS = {"HTTP/1.1": True, "HTTP/1.0": False}


class BadRequest(Exception):
    """The bytes are no HTTP request: answer with the status and close."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``path`` is decoded and without its query, header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    keep_alive: bool
    http_1_1: bool = True
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; without a content type there is no body to describe."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, keep_alive: bool, head_only: bool = False) -> bytes:
        """Return the bytes to send."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        if self.content_type:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(self.body)}")
        if not keep_alive:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head if head_only else head + self.body


class RequestParser:
    """Bytes in, requests out; raises ``BadRequest`` for what cannot be read further."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._told_to_continue = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def next(self) -> Request | None:
        """Return the next whole request, or None while bytes of it are missing."""
        if self._head is None:
            self._head = self._read_head()
        head = self._head
        if head is None:
            return None
        body = self._read_chunked() if "transfer-encoding" in head.headers else self._read_sized(head)
        if body is None:
            return None
        self._head = None
        self._told_to_continue = False
        return Request(head.method, head.path, head.headers, head.keep_alive, head.http_1_1, body)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for leave to send the body; true once a request."""
        head = self._head
        waits = head is not None and head.http_1_1 and head.headers.get("expect", "").lower() == "100-continue"
        if waits and not self._told_to_continue:
            self._told_to_continue = True
            return True
        return False

    def _read_head(self) -> Request | None:
        while self._buffer.startswith((b"\r", b"\n")):  # a blank line between requests is forgiven
            del self._buffer[:1]
        end = _HEAD_END.search(self._buffer)
        if end is None or end.start() > LARGEST_HEAD:
            if len(self._buffer) > LARGEST_HEAD:
                raise BadRequest(431, "the headers are too large")
            return None
        lines = bytes(self._buffer[: end.start()]).decode("latin-1").split("\n")
        del self._buffer[: end.end()]
        return _head([line.removesuffix("\r") for line in lines])

    def _read_sized(self, head: Request) -> bytes | None:
        length = head.headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise BadRequest(400, "Content-Length is no number")
        return self._take(int(length))

    def _take(self, size: int) -> bytes | None:
        if size > LARGEST_BODY:
            raise BadRequest(413, "the body is too large")
        if len(self._buffer) < size:
            return None
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _read_chunked(self) -> bytes | None:
        """Read a chunked body once it is whole; trailers are dropped."""
        body, place = bytearray(), 0
        while True:
            line_end = self._buffer.find(b"\r\n", place)
            if line_end < 0 or len(body) > LARGEST_BODY:
                self._check_room()
                return None
            size = _chunk_size(bytes(self._buffer[place:line_end]))
            place = line_end + 2
            if size == 0:
                break
            if len(self._buffer) < place + size + 2:
                self._check_room(size)
                return None
            body += self._buffer[place : place + size]
            place += size + 2
        end = self._buffer.find(b"\r\n\r\n", place - 2)
        if end < 0:
            self._check_room()
            return None
        del self._buffer[: end + 4]
        return bytes(body)

    def _check_room(self, size: int = 0) -> None:
        if max(len(self._buffer), size) > LARGEST_BODY:
            raise BadRequest(413, "the body is too large")


def _head(lines: list[str]) -> Request:
    parts = lines[0].split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]):  # noqa: PLR2004 - method, target, version
        raise BadRequest(400, "no HTTP request line")
    method, target, version = parts
    if version not in _VERSIONS:
        raise BadRequest(505 if version.startswith("HTTP/") else 400, "no known HTTP version")
    headers = _headers(lines[1:])
    is_1_1 = _VERSIONS[version]
    if is_1_1 and "host" not in headers:
        raise BadRequest(400, "missing required Host header")
    if headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise BadRequest(501, "unknown transfer encoding")
    wish = headers.get("connection", "").lower()
    keep = "close" not in wish if is_1_1 else "keep-alive" in wish
    return Request(method, _path(target), headers, keep, is_1_1)


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise BadRequest(400, "invalid header name")
        key, value = name.lower(), value.strip(" \t")
        if key == "content-length" and headers.get(key, value) != value:
            raise BadRequest(400, "two different Content-Lengths")
        headers[key] = value
    return headers


def _path(target: str) -> str:
    if target.startswith(("http://", "https://")):
        target = "/" + target.partition("://")[2].partition("/")[2]
    if not target.startswith("/"):
        raise BadRequest(400, "no path")
    return unquote(target.partition("?")[0].partition("#")[0], encoding="utf-8", errors="replace")


def _chunk_size(line: bytes) -> int:
    text = line.partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", text):
        raise BadRequest(400, "malformed chunk")
    return int(text, 16)
