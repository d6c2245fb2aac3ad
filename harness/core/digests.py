"""Stand-ins for what must never be recorded: bodies, tokens, push tokens."""

from __future__ import annotations

import hashlib
import hmac

REFERENCE_LENGTH = 12


def secret_ref(key: bytes, secret: str) -> str:
    """Return 12 hex digits that recognise an equal secret within one run and reveal nothing of it."""
    return hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()[:REFERENCE_LENGTH]


def body_digest(key: bytes, body: str) -> str:
    """Return 16 hex digits by which an altered body is seen without the body being kept."""
    return hmac.new(key, b"body\0" + body.encode(), hashlib.sha256).hexdigest()[:16]


def canary(key: bytes) -> str:
    """Return the word of 16 hex digits that every body of a run carries, so that a body in a log gives itself away."""
    return hmac.new(key, b"canary", hashlib.sha256).hexdigest()[:16]
