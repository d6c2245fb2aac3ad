"""The Docker engine's HTTP API without the SDK, for those who must start fast: the watcher, and the sweep.

Source: Docker Engine API 1.41; Podman's compatible API answers the same. Requests carry no version, so that every
engine answers by its own. Imported by the watcher: keep the imports light.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import http.client

UNIX, TCP = "unix://", "tcp://"
_TROUBLE_FROM = 300
_PIECE = 65536
_HEADER = 8

Query = Mapping[str, str]
Body = Mapping[str, Any]
NO_QUERY: Query = MappingProxyType({})


class EngineTrouble(Exception):
    """The engine could not be reached, did not answer in time, or said no; the text says which."""


class Engine:
    """An engine of this host by its address, ``unix:///path`` or ``tcp://host:port``; each call is one connection."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(
        self, method: str, path: str, *, within_s: float, query: Query = NO_QUERY, body: Body | None = None
    ) -> bytes:
        """Send a request and return the body of its good answer; raises ``EngineTrouble`` for any other."""
        return b"".join(self.stream(method, path, within_s=within_s, query=query, body=body))

    def stream(
        self, method: str, path: str, *, within_s: float | None, query: Query = NO_QUERY, body: Body | None = None
    ) -> Iterator[bytes]:
        """Send a request and yield the body of its good answer as it comes; raises ``EngineTrouble`` for any other.

        ``body`` is sent as JSON; ``within_s`` bounds the wait for each piece.
        """
        import http.client  # noqa: PLC0415 - heavy, and a watcher needs it at the end only
        from urllib.parse import urlencode  # noqa: PLC0415

        try:
            connection = self._connect(within_s)
        except OSError as problem:
            raise EngineTrouble(f"no engine answers at {self.address}: {problem.strerror or problem}") from None
        try:
            headers = {"Connection": "close", **({} if body is None else {"Content-Type": "application/json"})}
            content = None if body is None else json.dumps(body)
            connection.request(method, f"{path}?{urlencode(query)}", content, headers)
            answer = connection.getresponse()
            if answer.status >= _TROUBLE_FROM:
                raise EngineTrouble(f"{method} {path}: status {answer.status}: {_message(answer.read())}")
            while piece := answer.read1(_PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as problem:
            reason = f"no answer within {within_s:g} s" if isinstance(problem, TimeoutError) else str(problem)
            raise EngineTrouble(f"{method} {path}: {reason}") from None
        finally:
            connection.close()

    def listed(self, path: str, label: str, *, within_s: float, query: Query = NO_QUERY) -> list[dict[str, Any]]:
        """Return the things of one kind that carry a label (``KEY`` or ``KEY=VALUE``)."""
        filters = json.dumps({"label": [label]})
        found = json.loads(self.call("GET", path, within_s=within_s, query={**query, "filters": filters}))
        return (found.get("Volumes") if isinstance(found, Mapping) else found) or []

    def _connect(self, within_s: float | None) -> http.client.HTTPConnection:
        import http.client  # noqa: PLC0415 - as above

        if self.address.startswith(TCP):
            host, _, port = self.address.removeprefix(TCP).partition(":")
            connection = http.client.HTTPConnection(host, int(port.rstrip("/")), timeout=within_s)
            connection.connect()
            return connection
        connection = http.client.HTTPConnection("localhost", timeout=within_s)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(within_s)
        try:
            connection.sock.connect(self.address.removeprefix(UNIX))
        except OSError:
            connection.sock.close()
            raise
        return connection


def plain(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what a container wrote, without the eight bytes that the engine puts before each piece of it."""
    buffer = b""
    for piece in stream:
        buffer += piece
        while len(buffer) >= _HEADER and len(buffer) >= (end := _HEADER + int.from_bytes(buffer[4:_HEADER])):
            yield buffer[_HEADER:end]
            buffer = buffer[end:]


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
