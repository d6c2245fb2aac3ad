"""What the error codes of REST v4 mean for whoever sends (document 1047/34348).

The HTTP status says nothing: it is 200 whatever has happened. So each code gets the status by which clients of other
protocols know what to do; a code that leaves open whether anything was stored is no refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.drivers.api import Refused, Unknown

BAD_REQUEST, UNAUTHORISED, FORBIDDEN, MISSING, TOO_LARGE, LIMITED, UNAVAILABLE = 400, 401, 403, 404, 413, 429, 503
REJECTED_WITHOUT_EFFECT = frozenset({BAD_REQUEST, UNAUTHORISED, FORBIDDEN, MISSING, TOO_LARGE, LIMITED})

EXPIRED, INVALIDATED = 70001, 70052
OWN_RULES = range(120001, 130001)
"""Codes that the app's own before-send webhook gives."""

_CODES: Mapping[int, tuple[int, ...]] = {
    BAD_REQUEST: (
        *(60002, 60003, 60006, 60009, 60010, 60012, 60015, 70009, 70014, 70016, 70020, 70206, 70402, 70403, 20001),
        *(90001, 90002, 90003, 90005, 90006, 90007, 90009, 90010, 90011, 90026, 90031, 90044, 90054),
        *(10003, 10004, 10005, 10011, 10012, 10013, 10015, 10018, 10021),
    ),
    UNAUTHORISED: (60004, 60005, EXPIRED, 70002, 70003, 70005, 70013, INVALIDATED, 10008),
    FORBIDDEN: (
        *(60016, 60017, 60020, 70051, 70114, 70398, 80001, 91101),
        *(20006, 20007, 20009, 20010, 20011, 20012, 20016),
        *(10007, 10014, 10016, 10017, 10026, 10031, 10032),
    ),
    MISSING: (70107, 20003, 90008, 90012, 90048, 10010, 10019, 10030),
    TOO_LARGE: (80002, 93000),
    LIMITED: (60007, 60011, 60018, 60019, 70050, 10006, 10023),
}
"""Everything else is internal, a time-out, or not documented: whether anything was stored is open."""

STATUSES: Mapping[int, int] = MappingProxyType({code: status for status, codes in _CODES.items() for code in codes})
_NAMES = {EXPIRED: "token_expired", INVALIDATED: "token_revoked"}


def outcome(code: int) -> Refused | Unknown:
    """Return what an ``ErrorCode`` other than 0 amounts to; no code says when to come back."""
    status = FORBIDDEN if code in OWN_RULES else STATUSES.get(code)
    name = _NAMES.get(code, f"tencent_{code}")
    return Unknown(name, http_status=UNAVAILABLE) if status is None else Refused(name, http_status=status)
