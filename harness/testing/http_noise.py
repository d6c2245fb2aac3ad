"""Requests that no client should send, from a seed: for ports that must survive whatever reaches them."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "", "G" * 300)
VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "HTTP", "")
WORDS = ("", "a", "%2e%2e", "..", "\x00", "é", "x" * 3000, "?", "#", "%", "1", "-1", "null", "listen", "name")
VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    2**70,
    "",
    "x" * 5000,
    [],
    {},
    [[[[]]]],
    {"a": {"b": []}},
    "\ud800",
)
BUSY_S = 3.0
"""A port that takes longer than this to answer or to hang up counts as hung."""


@dataclass(frozen=True, slots=True)
class Target:
    """A port, paths that exist there, keys that its bodies have, and headers that let a request in."""

    port: int
    paths: Sequence[str]
    keys: Sequence[str]
    headers: Sequence[str] = ()


def request(target: Target, rng: random.Random) -> bytes:
    """Return one request, or what only begins like one."""
    body = _body(target, rng)
    head = " ".join((rng.choice(METHODS), _path(target, rng), rng.choice(VERSIONS)))
    length = rng.choice((str(len(body)), str(len(body)), str(len(body)), "-1", "x", str(len(body) + 9), str(2**63)))
    lines = [head, "Host: 127.0.0.1", "Connection: close", f"Content-Length: {length}", *_headers(target, rng)]
    whole = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body
    return whole if rng.randrange(10) else whole[: rng.randrange(len(whole))]


def send(target: Target, data: bytes) -> bytes:
    """Send it on a connection of its own, say that nothing follows, and return what comes back.

    Raises ``TimeoutError`` when the port neither answers nor hangs up.
    """
    with socket.create_connection(("127.0.0.1", target.port), timeout=BUSY_S) as line:
        answer = b""
        with suppress(ConnectionError, BrokenPipeError):
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
            while chunk := line.recv(65536):
                answer += chunk
        return answer


def _path(target: Target, rng: random.Random) -> str:
    path = rng.choice(target.paths)
    return path + rng.choice(("", rng.choice(("/", "?", "&", "//")) + rng.choice(WORDS)))


def _headers(target: Target, rng: random.Random) -> list[str]:
    odd = (
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Upgrade: websocket",
        "X: " + "y" * 9000,
        ":",
        "Cookie",
    )
    chosen = [header for header in target.headers if rng.randrange(5)]
    return chosen + rng.sample(odd, rng.choice((0, 0, 1, 2)))


def _body(target: Target, rng: random.Random) -> bytes:
    keys = rng.sample(target.keys, rng.randrange(len(target.keys) + 1))
    text = json.dumps({key: rng.choice((*VALUES, rng.choice(WORDS))) for key in keys}).encode()
    noise = rng.randbytes(rng.randrange(400))
    return rng.choice((text, text, text, text[: rng.randrange(len(text) + 1)], noise, b"[" * rng.randrange(3000)))
