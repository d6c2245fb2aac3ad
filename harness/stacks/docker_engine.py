"""The Docker engine's HTTP API without the SDK, for those who must start fast: the watcher, and the sweep.

Source: Docker Engine API 1.41; Podman's compatible API answers the same. Requests carry no version, so that every
engine answers by its own. Imported by the watcher: keep the imports light.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import http.client

UNIX, TCP = "unix://", "tcp://"
_TROUBLE_FROM = 300


class EngineTrouble(Exception):
    """The engine could not be reached, did not answer in time, or said no; the text says which."""


class Engine:
    """An engine of this host by its address, ``unix:///path`` or ``tcp://host:port``; each call is one connection."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, method: str, path: str, *, within_s: float, **query: str) -> bytes:
        """Send a request and return the body of its good answer; raises ``EngineTrouble`` for any other."""
        import http.client  # noqa: PLC0415 - heavy, and a watcher needs it at the end only
        from urllib.parse import urlencode  # noqa: PLC0415

        try:
            connection = self._connect(within_s)
        except OSError as problem:
            raise EngineTrouble(f"no engine answers at {self.address}: {problem.strerror or problem}") from None
        try:
            connection.request(method, f"{path}?{urlencode(query)}", headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            reason = f"no answer within {within_s:g} s" if isinstance(problem, TimeoutError) else str(problem)
            raise EngineTrouble(f"{method} {path}: {reason}") from None
        finally:
            connection.close()
        if answer.status >= _TROUBLE_FROM:
            raise EngineTrouble(f"{method} {path}: status {answer.status}: {_message(body)}")
        return body

    def listed(self, path: str, label: str, *, within_s: float, **query: str) -> list[dict[str, Any]]:
        """Return the things of one kind that carry a label (``KEY`` or ``KEY=VALUE``)."""
        filters = json.dumps({"label": [label]})
        found = json.loads(self.call("GET", path, within_s=within_s, filters=filters, **query))
        return (found.get("Volumes") if isinstance(found, Mapping) else found) or []

    def _connect(self, within_s: float) -> http.client.HTTPConnection:
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


def plain(stream: bytes) -> bytes:
    """Return what a container wrote, without the eight bytes that the engine puts before each piece of it."""
    pieces, at = [], 0
    while at + 8 <= len(stream):
        size = int.from_bytes(stream[at + 4 : at + 8])
        pieces.append(stream[at + 8 : at + 8 + size])
        at += 8 + size
    return b"".join(pieces)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
