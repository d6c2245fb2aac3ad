"""From a logged-in stream to one that belongs to a device: resumed (XEP-0198), or bound (RFC 6120, 7)."""

from __future__ import annotations

from typing import Literal

from harness.drivers.api import Refused
from harness.drivers.xmpp.counters import Counters
from harness.drivers.xmpp.exchange import SM
from harness.drivers.xmpp.standing import Standing
from harness.drivers.xmpp.stanzas import refusal
from harness.drivers.xmpp.stream import Stream
from harness.drivers.xmpp.xml import Element

BIND = "urn:ietf:params:xml:ns:xmpp-bind"
Back = Literal["resume", "same_resource", "new_resource"]


async def come_back(stream: Stream, standing: Standing, back: Back, resource: str) -> Refused | None:
    """Take up what the device had where that is the way back, or else get an address anew; None: done."""
    standing.resumed = back == "resume" and bool(standing.counters.id) and await _resume(stream, standing)
    if standing.resumed:
        return None
    standing.bindings += 1
    named = f"{resource}-{standing.bindings}" if back == "new_resource" and standing.bindings > 1 else resource
    return await bind(stream, standing, named)


async def bind(stream: Stream, standing: Standing, resource: str) -> Refused | None:
    """Get an address and have both sides count from now; None: done. Raises ``Ended``, ``BadStream``."""
    wanted = Element("bind", BIND, children=[Element("resource", BIND, text=resource)])
    stream.put(Element("iq", attrs={"type": "set", "id": "bind"}, children=[wanted]))
    answer = await stream.read()
    if answer.get("type") != "result":
        return refusal(answer)
    stream.put(Element("enable", SM, {"resume": "true"}))
    enabled = await stream.read()
    if enabled.name != "enabled":
        return Refused("no_stream_management", http_status=404)
    standing.counters = Counters(enabled.get("id"))
    standing.announced = False
    return None


async def _resume(stream: Stream, standing: Standing) -> bool:
    """Go on with the last stream; what the server had handled of it is told either way, where it still knows."""
    counters = standing.counters
    stream.put(Element("resume", SM, {"previd": counters.id, "h": str(counters.received)}))
    answer = await stream.read()
    if answer.get("h"):
        for name in counters.resumed(answer.get("h")):
            standing.confirm(name)
    if answer.name != "resumed":
        counters.id = ""
    return answer.name == "resumed"
