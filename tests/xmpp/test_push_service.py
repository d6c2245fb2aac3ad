"""The push service as a process: between a chat server's components and a provider of pushes."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import pytest

from harness.drivers.xmpp.xml import STREAMS, Element
from harness.providers.xmpp_push import COMPONENT, Publish, refusal
from harness.testing.push_provider import BOB, push_provider
from harness.testing.reference_chat import free_port
from harness.testing.xmpp_server import Wire

SECRET = "between-us"
OPENING = f"<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' id='s7'>"
PATIENCE_S = 30
NAMED = "<message xmlns='urn:chat-chaos:push' id='c1' conversation='alice+bob'/>"


def publish(number: int, *, node: str = BOB, named: str = NAMED) -> str:
    """A server's word that there is something for a device."""
    return (
        f"<iq type='set' id='n{number}' from='chat.test' to='push.chat.test'>"
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item>"
        f"<notification xmlns='urn:xmpp:push:0'>{named}</notification></item></publish></pubsub></iq>"
    )


async def greeted(wire: Wire) -> None:
    """Let the component in once it has proved its secret."""
    wire.says(OPENING)
    shown = await wire.hears("handshake")
    assert shown.text == hashlib.sha1(f"s7{SECRET}".encode(), usedforsecurity=False).hexdigest()
    wire.says("<handshake/>")


def serving(provider: str, *scenes: Callable[[Wire], Awaitable[None]], own_port: int = 0) -> None:
    """Run the push service against a server that plays one scene on each of its connections, in turn."""

    async def whole() -> None:
        waiting, outcome = list(scenes), asyncio.get_running_loop().create_future()

        async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if waiting:
                    await waiting.pop(0)(Wire(reader, writer))
                if not waiting and not outcome.done():
                    outcome.set_result(None)
            except Exception as wrong:  # noqa: BLE001 - it is the test's outcome
                outcome.set_exception(wrong)
            finally:
                writer.close()

        server = await asyncio.start_server(met, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        told = {"COMPONENT": f"127.0.0.1:{port}", "DOMAIN": "push.chat.test", "SECRET": SECRET, "PROVIDER": provider}
        told["PORT"] = str(own_port)
        argv = [sys.executable, "-P", "-m", "harness.providers.xmpp_push"]
        process = await asyncio.create_subprocess_exec(*argv, env=dict(os.environ) | told)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await outcome
                process.terminate()
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            server.close()

    asyncio.run(whole())


def test_a_publish_becomes_a_push_of_its_message(tmp_path: Path) -> None:
    """Under the message's name where the server gives it; the server is told when the provider has taken it."""

    async def scene(wire: Wire) -> None:
        await greeted(wire)
        wire.says(publish(1) + publish(2, named=""))
        answers = [await wire.hears("iq") for _ in range(2)]
        assert {(answer.get("id"), answer.get("type")) for answer in answers} == {("n1", "result"), ("n2", "result")}

    with push_provider(tmp_path) as provider:
        serving(provider.url.removeprefix("http://"), scene)
        pushed = {(push["message_id"], push["conversation_id"]) for push in provider.events("push_sent")}
    assert pushed == {("c1", "alice+bob"), ("n2", "chat.test")}


def test_it_is_healthy_once_the_server_has_taken_it() -> None:
    """Before that the server has nobody to hand a notification to, and drops it."""
    port = free_port()

    def health() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        return connection.getresponse().status

    async def scene(wire: Wire) -> None:
        assert await asyncio.to_thread(health) == HTTPStatus.SERVICE_UNAVAILABLE
        await greeted(wire)
        while await asyncio.to_thread(health) != HTTPStatus.OK:
            pass  # the outcome is waited for within PATIENCE_S

    serving("127.0.0.1:1", scene, own_port=port)


def test_a_server_that_went_away_is_dialled_again(tmp_path: Path) -> None:
    """Also one that breaks off in the middle; what is no publish is refused."""

    async def broken(wire: Wire) -> None:
        await greeted(wire)
        wire.says("<iq type='set' id='n1'><pub")

    async def scene(wire: Wire) -> None:
        await greeted(wire)
        wire.says("<iq type='get' id='n1' from='chat.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert (await wire.hears("iq")).get("type") == "error"

    with push_provider(tmp_path) as provider:
        serving(provider.url.removeprefix("http://"), broken, scene)


def test_a_provider_that_is_not_there_is_no_lost_publish() -> None:
    """The server may try again: the error is of the type ``wait``."""

    async def scene(wire: Wire) -> None:
        await greeted(wire)
        wire.says(publish(1))
        answer = await wire.hears("iq")
        error = next(child for child in answer.children if child.name == "error")
        assert (answer.get("type"), error.get("type")) == ("error", "wait")

    serving("127.0.0.1:1", scene)


@pytest.mark.parametrize(
    ("status", "type_"),
    [
        (HTTPStatus.GONE, "cancel"),
        (HTTPStatus.BAD_REQUEST, "modify"),
        (HTTPStatus.TOO_MANY_REQUESTS, "wait"),
        (HTTPStatus.BAD_GATEWAY, "wait"),
        (None, "wait"),
    ],
)
def test_only_a_token_that_is_gone_is_given_up(status: int | None, type_: str) -> None:
    """Everything that may pass is of the type ``wait``."""
    told = refusal(status)
    assert told is not None
    assert told[0] == type_
    assert refusal(HTTPStatus.OK) is None


def test_what_is_no_publish_is_none() -> None:
    """A request for something else, and one without a token."""
    assert Publish.of(Element("iq", COMPONENT)) is None
