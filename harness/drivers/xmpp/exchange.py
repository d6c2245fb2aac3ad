"""What a device writes on its stream and waits for: the server's count for stanzas, the answer for requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.drivers.api import Bounced, Refused, Unknown
from harness.drivers.xmpp.standing import Standing
from harness.drivers.xmpp.stanzas import ERRORS, refusal
from harness.drivers.xmpp.stream import Stream
from harness.drivers.xmpp.xml import Element

SM = "urn:xmpp:sm:3"
PING = "urn:xmpp:ping"
LOST = Unknown("connection_lost")
_ASK = Element("r", SM).render()

Handled = Refused | Unknown | None


class Exchange:
    """The two directions of one stream, kept together by their counters (XEP-0198)."""

    def __init__(self, stream: Stream, standing: Standing) -> None:
        self.over = False
        self._stream = stream
        self._standing = standing
        self._counters = standing.counters
        self._sends: dict[str, asyncio.Future[Handled]] = {}
        self._bounces: dict[str, Refused] = {}
        self._asked: dict[str, asyncio.Future[Element | Refused | Unknown]] = {}

    def name(self, kind: str) -> str:
        """A name for a stanza that no other of this device's has."""
        return f"{kind}{next(self._standing.numbers)}"

    async def handled(self, stanza: Element) -> Handled:
        """Write a stanza and wait until the server's count covers it; None then, or why it came back by then."""
        if self.over:
            return LOST
        name = stanza.get("id")
        waiting: asyncio.Future[Handled] = asyncio.get_running_loop().create_future()
        self._sends[name] = waiting
        self._counters.sent(name)
        self._stream.write(stanza.render() + _ASK)
        try:
            return await waiting
        finally:
            self._sends.pop(name, None)

    async def ask(self, kind: str, what: Element, to: str | None = None) -> Element | Refused | Unknown:
        """Write a request and wait for its answer."""
        if self.over:
            return LOST
        name = self.name("i")
        waiting: asyncio.Future[Element | Refused | Unknown] = asyncio.get_running_loop().create_future()
        self._asked[name] = waiting
        self.put(Element("iq", attrs={"type": kind, "id": name, **({"to": to} if to else {})}, children=[what]))
        try:
            return await waiting
        finally:
            self._asked.pop(name, None)

    def put(self, stanza: Element) -> None:
        """Write a stanza for which nobody waits."""
        self._counters.sent(stanza.get("id"))
        self._stream.put(stanza)

    def ping(self) -> None:
        """Ask for a sign of life (XEP-0199)."""
        self.put(Element("iq", attrs={"type": "get", "id": self.name("p")}, children=[Element("ping", PING)]))

    def acknowledge(self) -> None:
        """Tell how much of the server's was handled."""
        self._stream.put(Element("a", SM, {"h": str(self._counters.received)}))

    def covered(self, h: str) -> None:
        """Take the server's count. Raises ``BadStream`` where it covers what was never sent."""
        self._confirm(self._counters.acknowledge(h))

    def bounced(self, stanza: Element) -> Bounced | None:
        """Take what came back: before its acknowledgement it decides the send, later it is news."""
        name = stanza.get("id")
        waiting = self._sends.get(name)
        if waiting is not None and not waiting.done():
            self._bounces[name] = refusal(stanza)
        elif name in self._standing.attempts:
            return Bounced(name, self._standing.attempts[name], refusal(stanza).error_code)
        return None

    def take_iq(self, stanza: Element) -> None:
        """Pass an answer on, and answer what the server asks."""
        kind, waiting = stanza.get("type"), self._asked.get(stanza.get("id"))
        if kind in {"get", "set"}:
            self._answer(stanza)
        elif waiting is not None and not waiting.done():
            waiting.set_result(refusal(stanza) if kind == "error" else stanza)

    def end(self) -> bool:
        """Let nobody wait any longer; False if that was so already."""
        if self.over:
            return False
        self.over = True
        for sent in self._sends.values():
            if not sent.done():
                sent.set_result(LOST)
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(LOST)
        return True

    def _confirm(self, names: Sequence[str]) -> None:
        for name in names:
            waiting = self._sends.get(name)
            if waiting is not None and not waiting.done():
                waiting.set_result(self._bounces.pop(name, None))
            elif name not in self._bounces:
                self._standing.confirm(name)

    def _answer(self, stanza: Element) -> None:
        """Answer a ping; of anything else say that it is not served (RFC 6120, 8.4)."""
        attrs = {"type": "result", "id": stanza.get("id"), "to": stanza.get("from")}
        reply = Element("iq", attrs={key: value for key, value in attrs.items() if value})
        if stanza.child("ping", PING) is None:
            reply.attrs["type"] = "error"
            reply.children = [
                Element("error", attrs={"type": "cancel"}, children=[Element("service-unavailable", ERRORS)])
            ]
        self.put(reply)
