"""Stand-ins for what must never be recorded: bodies, tokens, push tokens."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

REFERENCE_LENGTH = 12
_BLOCK = 64
"""Bytes that SHA-256 takes at a time."""


def secret_ref(key: bytes, secret: str) -> str:
    """Return 12 hex digits that recognise an equal secret within one run and reveal nothing of it."""
    return _hmac(key, secret.encode())[:REFERENCE_LENGTH]


def body_digest(key: bytes, body: str) -> str:
    """Return 16 hex digits by which an altered body is seen without the body being kept."""
    return _hmac(key, b"body\0" + body.encode())[:16]


def canary(key: bytes) -> str:
    """Return the word of 16 hex digits that every body of a run carries, so that a body in a log gives itself away."""
    return _hmac(key, b"canary")[:16]


def _hmac(key: bytes, message: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104) in hex: written out, ``hmac`` would take five times as long, several times a message."""
    begun_inner, begun_outer = _begun(key)
    inner, outer = begun_inner.copy(), begun_outer.copy()
    inner.update(message)
    outer.update(inner.digest())
    return outer.hexdigest()


@lru_cache(maxsize=16)
def _begun(key: bytes) -> tuple[_Hash, _Hash]:
    short = hashlib.sha256(key).digest() if len(key) > _BLOCK else key
    padded = short.ljust(_BLOCK, b"\0")
    return tuple(hashlib.sha256(bytes(each ^ pad for each in padded)) for pad in (0x36, 0x5C))  # type: ignore[return-value]
