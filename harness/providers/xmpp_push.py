"""The push service of an XMPP server (XEP-0357): ``python -m harness.providers.xmpp_push``.

It is what an app's developer runs between chat servers and the makers of phones: a component (XEP-0114) of the chat
server that gets one publish for each notification, and makes a push of it at the provider ``unipush``. The node is the
push token. What the provider refuses goes back as an error: ``item-not-found`` for a token that is gone, of the type
``wait`` for what may be tried again. It keeps nothing and repeats nothing.

``COMPONENT`` (HOST:PORT of the chat server's components), ``DOMAIN`` (its own), ``SECRET``, ``PROVIDER`` (HOST:PORT),
``PORT`` and ``HOST`` (loopback) of its own ``/healthz``: it answers 200 while the chat server has it for a component.
A notification that names its message as ``<message xmlns='urn:chat-chaos:push' id=… conversation=…/>`` is pushed under
that name, any other under its own: the extension's summary says only that there is something.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self

from harness.drivers.xmpp.xml import STREAMS, BadStream, Element, Parser
from harness.providers import http_server
from harness.providers.http_server import json_response
from harness.proxy.http_wire import Request, Response

COMPONENT = "jabber:component:accept"
PUBSUB = "http://jabber.org/protocol/pubsub"
PUSH = "urn:xmpp:push:0"
NAMED = "urn:chat-chaos:push"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
PUSH_PATH = "/v1/push"
PROVIDER_WITHIN_S = 5.0
REDIAL_S = 0.1
EXIT_WRONG_SETTINGS = 2
_CHUNK = 65536
_VARIABLES = ("COMPONENT", "DOMAIN", "SECRET", "PROVIDER", "PORT")


@dataclass(frozen=True, slots=True)
class Service:
    """Which component this is, where, and which provider it pushes through."""

    component: str
    domain: str
    secret: str = field(repr=False)
    provider: str
    port: str
    host: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; KeyError names the one that is missing."""
        component, domain, secret, provider, port = (environ[name] for name in _VARIABLES)
        return cls(component, domain, secret, provider, port, environ.get("HOST", "127.0.0.1"))


@dataclass(frozen=True, slots=True)
class Publish:
    """One notification for one token."""

    token: str
    message_id: str
    conversation_id: str

    @classmethod
    def of(cls, stanza: Element) -> Self | None:
        """Read a publish; None for anything else."""
        pubsub = stanza.child("pubsub", PUBSUB)
        publish = None if pubsub is None else pubsub.child("publish", PUBSUB)
        item = None if publish is None else publish.child("item", PUBSUB)
        notification = None if item is None else item.child("notification", PUSH)
        if publish is None or notification is None or not publish.get("node"):
            return None
        named = notification.child("message", NAMED) or Element("message", NAMED)
        message_id = named.get("id") or stanza.get("id")
        return cls(publish.get("node"), message_id, named.get("conversation") or stanza.get("from"))


class Component:
    """The component for good: a chat server that is not there, or goes away, is dialled again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection: _Connection | None = None

    async def serve(self) -> None:
        """Run until cancelled."""
        while True:
            self._connection = _Connection(self._service)
            with suppress(OSError, BadStream):
                await self._connection.hold()
            self._connection = None
            await asyncio.sleep(REDIAL_S)

    def health(self, request: Request) -> Response:
        """Answer whether the chat server takes it for its component; until then it would drop what it has to push."""
        known = self._connection is not None and self._connection.known
        return json_response(HTTPStatus.OK if known else HTTPStatus.SERVICE_UNAVAILABLE, {"path": request.path})


class _Connection:
    """One connection to the chat server; ``known`` once that has taken the proof."""

    def __init__(self, service: Service) -> None:
        self.known = False
        self._service = service
        self._parser = Parser()

    async def hold(self) -> None:
        host, _, port = self._service.component.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        pushes: set[asyncio.Task[None]] = set()
        try:
            opening = f"<stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' to='{self._service.domain}'>"
            writer.write(f"<?xml version='1.0'?>{opening}".encode())
            while data := await reader.read(_CHUNK):
                for stanza in self._read(data, writer):
                    pushes.add(task := asyncio.create_task(self._answer(stanza, writer)))
                    task.add_done_callback(pushes.discard)
        finally:
            for task in pushes:
                task.cancel()
            writer.close()

    def _read(self, data: bytes, writer: asyncio.StreamWriter) -> list[Element]:
        """Take bytes; return the requests in them. The first that comes is answered by proving the secret."""
        new = self._parser.header is None
        stanzas = self._parser.feed(data)
        if new and self._parser.header is not None:
            writer.write(self._handshake(self._parser.header.get("id", "")))
        self.known = self.known or any(stanza.name == "handshake" for stanza in stanzas)
        return [stanza for stanza in stanzas if stanza.name == "iq" and stanza.get("type") in {"get", "set"}]

    def _handshake(self, stream: str) -> bytes:
        """The proof of the secret (XEP-0114, "Example 3"); SHA-1 is the protocol's choice."""
        digest = hashlib.sha1(f"{stream}{self._service.secret}".encode(), usedforsecurity=False).hexdigest()
        return Element("handshake", COMPONENT, text=digest).render(COMPONENT).encode()

    async def _answer(self, stanza: Element, writer: asyncio.StreamWriter) -> None:
        publish = Publish.of(stanza)
        if publish is None:
            why: tuple[str, str] | None = ("cancel", "service-unavailable")
        else:
            why = refusal(await asyncio.to_thread(_push, self._service.provider, publish))
        if not writer.is_closing():
            writer.write(_reply(stanza, why).render(COMPONENT).encode())


def _push(provider: str, publish: Publish) -> int | None:
    """Ask the provider once; its status, None where none came."""
    body = {
        "token": publish.token,
        "message_id": publish.message_id,
        "conversation_id": publish.conversation_id,
    }
    connection = http.client.HTTPConnection(provider, timeout=PROVIDER_WITHIN_S)
    try:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", PUSH_PATH, json.dumps(body), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def refusal(status: int | None) -> tuple[str, str] | None:
    """Type and condition of the error that tells the chat server of a provider's status; None: it was taken."""
    match status:
        case HTTPStatus.OK:
            return None
        case HTTPStatus.GONE:
            return "cancel", "item-not-found"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return "wait", "resource-constraint"
        case HTTPStatus.BAD_REQUEST:
            return "modify", "bad-request"
        case None:
            return "wait", "remote-server-timeout"
        case _:
            return "wait", "internal-server-error"


def _reply(stanza: Element, why: tuple[str, str] | None) -> Element:
    attrs = {"id": stanza.get("id"), "to": stanza.get("from"), "from": stanza.get("to")}
    if why is None:
        return Element("iq", COMPONENT, {"type": "result", **attrs})
    error = Element("error", COMPONENT, {"type": why[0]}, [Element(why[1], ERRORS)])
    return Element("iq", COMPONENT, {"type": "error", **attrs}, [error])


async def _run(service: Service) -> None:
    serving = asyncio.current_task()
    assert serving is not None  # noqa: S101 - for the type checker
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    component = Component(service)
    async with await http_server.serve(service.host, int(service.port), component.health):
        with suppress(asyncio.CancelledError):
            await component.serve()


def main() -> int:
    """Serve as the environment says until SIGTERM or SIGINT and return the exit code."""
    try:
        service = Service.of(os.environ)
    except KeyError as missing:
        sys.stderr.write(f"xmpp_push: {missing.args[0]} is not set\n")
        return EXIT_WRONG_SETTINGS
    asyncio.run(_run(service))
    return 0


if __name__ == "__main__":
    sys.exit(main())
