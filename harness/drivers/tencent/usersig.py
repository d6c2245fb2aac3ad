"""UserSig: the signed text by which Tencent RTC Chat knows who calls (document 1047/34385, algorithm HMAC-SHA256).

Pure: the time is passed in. The secret key counts as its text; it is not decoded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from dataclasses import dataclass
from enum import IntEnum

import msgspec

VERSION = "2.0"
LONGEST = 4096
"""Characters of a signature, and bytes of what is packed in it: real ones have about 190 and 300."""
_TO_URL = str.maketrans("+/=", "*-_")
_FROM_URL = str.maketrans("*-_", "+/=")


class SigError(IntEnum):
    """Why a UserSig is not taken (document 1047/34348)."""

    EXPIRED = 70001
    EMPTY = 70002
    UNREADABLE = 70003
    WRONG_KEY = 70009
    OTHER_USER = 70013
    OTHER_APP = 70014


class BadUserSig(Exception):
    """A UserSig that is not taken, with the documented code."""

    def __init__(self, code: SigError) -> None:
        super().__init__(f"UserSig refused: {code.name.lower()} ({code.value})")
        self.code = code


@dataclass(frozen=True, slots=True)
class Key:
    """An app's number and the secret key that belongs to it."""

    sdkappid: int
    secret: str

    def __repr__(self) -> str:
        return f"Key(sdkappid={self.sdkappid})"


class Claims(msgspec.Struct, frozen=True):
    """What a UserSig says; ``expire_s`` is a duration in seconds from ``time_s``, in seconds since the epoch."""

    version: str = msgspec.field(name="TLS.ver")
    identifier: str = msgspec.field(name="TLS.identifier")
    sdkappid: int = msgspec.field(name="TLS.sdkappid")
    expire_s: int = msgspec.field(name="TLS.expire")
    time_s: int = msgspec.field(name="TLS.time")
    sig: str = msgspec.field(name="TLS.sig")
    userbuf: str | None = msgspec.field(default=None, name="TLS.userbuf")

    @property
    def until_s(self) -> int:
        """The second since the epoch from which it is no longer good."""
        return self.time_s + self.expire_s


def make(identifier: str, key: Key, *, time_s: int, expire_s: int, userbuf: bytes | None = None) -> str:
    """Return the UserSig of an account, made at ``time_s`` (since the epoch) and good for ``expire_s``."""
    buffer = None if userbuf is None else base64.b64encode(userbuf).decode()
    signature = _sign(key.secret, identifier, key.sdkappid, time_s, expire_s, buffer)
    fields: dict[str, str | int] = {
        "TLS.ver": VERSION,
        "TLS.identifier": identifier,
        "TLS.sdkappid": key.sdkappid,
        "TLS.expire": expire_s,
        "TLS.time": time_s,
        "TLS.sig": signature,
    }
    fields |= {} if buffer is None else {"TLS.userbuf": buffer}
    return base64.b64encode(zlib.compress(msgspec.json.encode(fields))).decode().translate(_TO_URL)


def read(text: str) -> Claims:
    """Return what a UserSig says, without believing it; raises ``BadUserSig`` for one that cannot be read."""
    if not text:
        raise BadUserSig(SigError.EMPTY)
    try:
        packed = base64.b64decode(text[:LONGEST].translate(_FROM_URL), validate=True)
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(packed, LONGEST)
        if not unpacking.eof or unpacking.unused_data:
            raise BadUserSig(SigError.UNREADABLE)
        return msgspec.json.decode(plain, type=Claims)
    except (ValueError, zlib.error, msgspec.DecodeError):
        raise BadUserSig(SigError.UNREADABLE) from None


def verify(text: str, *, identifier: str, key: Key, now_s: float) -> Claims:
    """Return what a UserSig says if it is this account's, of this app, by its key, and not over.

    Raises ``BadUserSig``. The order of the tests is not documented.
    """
    claims = read(text)
    if claims.sdkappid != key.sdkappid:
        raise BadUserSig(SigError.OTHER_APP)
    if claims.identifier != identifier:
        raise BadUserSig(SigError.OTHER_USER)
    expected = _sign(key.secret, identifier, key.sdkappid, claims.time_s, claims.expire_s, claims.userbuf)
    if not hmac.compare_digest(expected.encode(), claims.sig.encode()):
        raise BadUserSig(SigError.WRONG_KEY)
    if now_s >= claims.until_s:
        raise BadUserSig(SigError.EXPIRED)
    return claims


def _sign(secret: str, identifier: str, sdkappid: int, time_s: int, expire_s: int, userbuf: str | None) -> str:
    lines = [
        f"TLS.identifier:{identifier}",
        f"TLS.sdkappid:{sdkappid}",
        f"TLS.time:{time_s}",
        f"TLS.expire:{expire_s}",
        *([] if userbuf is None else [f"TLS.userbuf:{userbuf}"]),
    ]
    content = "".join(f"{line}\n" for line in lines)
    return base64.b64encode(hmac.digest(secret.encode(), content.encode(), hashlib.sha256)).decode()
