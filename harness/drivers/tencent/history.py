"""Reading two people's history to its end (document 1047/35478)."""

from __future__ import annotations

import msgspec

from harness.drivers.api import Refused, Unknown
from harness.drivers.tencent.messages import Message
from harness.drivers.tencent.rest import BAD_ANSWER, Json, Rest, shaped

PAGE = 100
"""Messages of a page at most; pages are also cut at about 13 KB."""
LATEST = 0xFFFFFFFF


class Roamed(msgspec.Struct, frozen=True):
    """A page, from the newest backwards; the next one begins at ``last_time_s`` and ``last_key``."""

    complete: int = msgspec.field(name="Complete")
    messages: tuple[Message, ...] = msgspec.field(name="MsgList")
    last_time_s: int = msgspec.field(default=0, name="LastMsgTime")
    last_key: str = msgspec.field(default="", name="LastMsgKey")


async def roam(
    rest: Rest, usersig: str, one: str, other: str, *, since_s: int = 0
) -> tuple[Message, ...] | Refused | Unknown:
    """Return what is kept of two people's messages since a second, in the order of the history."""
    found: dict[str, Message] = {}
    asked: Json = {"Operator_Account": one, "Peer_Account": other, "MaxCnt": PAGE}
    asked |= {"MinTime": since_s, "MaxTime": LATEST}
    while True:
        page = shaped(await rest.call("openim/admin_getroammsg", usersig, asked), Roamed)
        if isinstance(page, Refused | Unknown):
            return page
        found |= {message.key: message for message in page.messages}
        if page.complete:
            kept = (message for message in found.values() if not message.recalled)
            return tuple(sorted(kept, key=lambda message: message.place))
        if not page.last_key or page.last_key == asked.get("LastMsgKey"):
            return BAD_ANSWER
        asked |= {"MaxTime": page.last_time_s, "LastMsgKey": page.last_key}
