"""A toxic whose removal hangs: Toxiproxy waits for a peer that does not read, and the undo must come through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

import pytest

from harness.proxy.adapter import connect
from harness.proxy.api import ProxyUnavailable
from harness.testing.proxy_servers import RunningServer

Dial = Callable[[str], AbstractContextManager[Any]]
PATIENCE_S = 1.0


@pytest.mark.slow
def test_a_removal_that_hangs_is_got_out_of(toxiproxy_server: RunningServer, flood: Any, dial: Dial) -> None:
    """The toxic is gone in bounded time, the proxy listens on its port as before and keeps its other toxics."""

    async def play() -> tuple[str, str, list[str]]:
        async with await connect(toxiproxy_server.url, timeout_s=PATIENCE_S) as server:
            link = await server.create("p", flood.address)
            before = link.listen
            await link.add_toxic("latency", stream="downstream", attributes={"latency": 100}, name="slow")
            await link.add_toxic("noop", stream="downstream", attributes={}, name="other")
            with dial(before):
                assert await asyncio.to_thread(flood.full.wait, 20)
                await link.remove_toxic("slow")
                state = await link.state()
            with dial(before) as another:
                assert another.receive(1) == b"\0"
            return before, state.listen, [toxic.name for toxic in state.toxics]

    before, after, toxics = asyncio.run(play())
    assert (after, toxics) == (before, ["other"])


class _Scripted(BaseHTTPRequestHandler):
    """A server that cannot remove toxics: 503, as Toxiproxy says after 25 s."""

    asked: list[str]
    PROXY = b'{"name":"p","listen":"127.0.0.1:7","upstream":"127.0.0.1:9","enabled":true,"toxics":[]}'

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.asked.append(f"{self.command} {self.path}")
        stuck = self.command == "DELETE" and "toxics" in self.path
        body = b'{"version": "2.12.0"}' if self.path == "/version" else self.PROXY
        self.send_response(503 if stuck else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_503_makes_the_proxy_again() -> None:
    """The proxy is deleted and made again, and gets the toxics back that were not to go."""
    asked: list[str] = []
    handler = type("Handler", (_Scripted,), {"asked": asked})

    async def play(url: str) -> None:
        async with await connect(url) as server:
            link = await server.get("p")
            await link.add_toxic("noop", stream="upstream", attributes={}, name="stays")
            await link.add_toxic("latency", stream="upstream", attributes={"latency": 1}, name="goes")
            asked.clear()
            await link.remove_toxic("goes")

    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        asyncio.run(play(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()
    assert asked == [
        "DELETE /proxies/p/toxics/goes",
        "DELETE /proxies/p",
        "POST /proxies",
        "POST /proxies/p/toxics",
    ]


def test_a_proxy_that_goes_later_than_it_is_said_to_is_made_again() -> None:
    """A deletion that is answered 503 or not at all has to be over before the proxy can be made."""
    asked: list[str] = []

    class Handler(_Scripted):
        def _answer(self) -> None:
            deletions = asked.count("DELETE /proxies/p")
            if self.command != "DELETE" or "toxics" in self.path:
                super()._answer()
                return
            asked.append("DELETE /proxies/p")
            self.send_response((503, 503, 404)[deletions])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names

    handler = type("Handler", (Handler,), {"asked": asked})

    async def play(url: str) -> None:
        async with await connect(url) as server:
            link = await server.get("p")
            asked.clear()
            await link.remove_toxic("goes")

    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        asyncio.run(play(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()
    assert asked == ["DELETE /proxies/p/toxics/goes", *["DELETE /proxies/p"] * 3, "POST /proxies"]


class _Vanishing(_Scripted):
    """Deletes the proxy at once and takes its time to make it again; until then nobody finds it."""

    gone: threading.Event
    looked: threading.Event

    def _answer(self) -> None:
        made = self.command == "POST" and self.path == "/proxies"
        if self.command == "DELETE" and self.path == "/proxies/p":
            self.gone.set()
        elif made:
            assert self.looked.wait(10)
            self.gone.clear()
        elif self.gone.is_set():
            self.looked.set()
            self._not_found()
            return
        super()._answer()

    def _not_found(self) -> None:
        body = b'{"error":"proxy not found","status":404}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names


def test_nobody_misses_a_proxy_that_is_being_made_again() -> None:
    """Who looks at the proxy meanwhile waits until it is there again; other changes have their turn after that."""
    asked: list[str] = []
    gone = threading.Event()
    handler = type("Handler", (_Vanishing,), {"asked": asked, "gone": gone, "looked": threading.Event()})

    async def play(url: str) -> str:
        async with await connect(url) as server:
            link = await server.get("p")
            await link.add_toxic("latency", stream="upstream", attributes={"latency": 1}, name="goes")
            asked.clear()
            removal = asyncio.create_task(link.remove_toxic("goes"))
            assert await asyncio.to_thread(gone.wait, 10)
            closing = asyncio.create_task(link.enable(enabled=False))
            state = await link.state()
            await asyncio.gather(removal, closing)
            return state.name

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert asyncio.run(play(f"http://127.0.0.1:{server.server_port}")) == "p"
        server.shutdown()
        thread.join()
    assert asked.index("POST /proxies") < asked.index("POST /proxies/p")
    assert asked.index("POST /proxies") < asked.index("GET /proxies/p")


def test_a_server_that_is_stuck_altogether_is_told() -> None:
    """Where nothing answers any more, the undo fails in bounded time instead of waiting."""

    async def play() -> None:
        handler = type("Handler", (_Scripted,), {"asked": []})
        with HTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            async with await connect(f"http://127.0.0.1:{server.server_port}", timeout_s=0.3) as proxies:
                link = await proxies.get("p")
                server.shutdown()
                thread.join()
                with pytest.raises(ProxyUnavailable, match="no answer within"):
                    await link.remove_toxic("goes")

    asyncio.run(play())
