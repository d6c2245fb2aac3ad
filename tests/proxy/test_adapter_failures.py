"""The adapter and servers that are dead, deaf or something else: one sentence each, in bounded time, off the loop."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from harness.proxy.adapter import ProxyRefused, connect
from harness.proxy.adapter_native import BoundToxiproxy
from harness.proxy.api import ProxyUnavailable
from harness.proxy.http_client import HttpApi
from harness.testing.proxy_servers import running_server

Answering = Callable[[bytes], AbstractContextManager[str]]


@pytest.fixture
def answering() -> Answering:
    """Give what serves one fixed answer to every request for the length of a block."""

    @contextmanager
    def serving(raw: bytes) -> Iterator[str]:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65536)
                self.request.sendall(raw)

        with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
            thread.join()

    return serving


def http(status: str, body: bytes) -> bytes:
    """A raw HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of something that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_is_not_there(free_address: Callable[[], str]) -> None:
    """A refused connection names the address and the reason."""
    address = free_address()
    with pytest.raises(ProxyUnavailable, match=rf"http://{address} failed: .*Connection refused") as told:
        asyncio.run(connect(f"http://{address}"))
    assert not isinstance(told.value, ProxyRefused)


def test_a_deaf_server_blocks_nobody(deaf: str) -> None:
    """A server that never answers ends in a sentence after the time-out, while the event loop goes on."""

    async def play() -> int:
        ticks = 0
        waiting = asyncio.create_task(connect(deaf, timeout_s=0.3))
        while not waiting.done():
            ticks += 1
            await asyncio.sleep(0.01)
        with pytest.raises(ProxyUnavailable, match=r"GET /version .* got no answer within 0\.3 s"):
            await waiting
        return ticks

    assert asyncio.run(play()) > 5


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (http("200 OK", b"<html>a router's login page</html>"), "answer is not Toxiproxy's"),
        (http("200 OK", b'{"name": "another service"}'), "answer is not Toxiproxy's"),
        (http("404 Not Found", b"404 page not found\n"), "refused with status 404: 404 page not found"),
        (
            http("503 Service Unavailable", b"<html>\n  <p>Timeout</p>"),
            "refused with status 503: <html> <p>Timeout</p>",
        ),
        (http("302 Found", b""), "answer is not Toxiproxy's"),
        (http("500 Internal Server Error", b""), "status 500: Internal Server Error"),
        (b"SSH-2.0-OpenSSH\r\n", "failed: "),
    ],
)
def test_something_else_answers(answering: Answering, raw: bytes, text: str) -> None:
    """What is no Toxiproxy is told as such, not as a JSON or key error."""
    with answering(raw) as url, pytest.raises(ProxyUnavailable, match=text):
        asyncio.run(connect(url))


@pytest.mark.parametrize("version", [b"2.1.4", b"2.1.4\n", b'{"version": "2.1.4"}'])
def test_old_servers_tell_their_version_bare(answering: Answering, version: bytes) -> None:
    """Before 2.7.0 the version was plain text."""

    async def play(url: str) -> tuple[str, str]:
        async with await connect(url) as adapter:
            return adapter.info.kind, adapter.info.version

    with answering(http("200 OK", version)) as url:
        assert asyncio.run(play(url)) == ("toxiproxy", "2.1.4")


@pytest.mark.parametrize("url", ["127.0.0.1:8474", "ftp://127.0.0.1", "http://", ""])
def test_an_address_that_is_none(url: str) -> None:
    """An address without scheme or host is the caller's error and shows one that would do."""
    with pytest.raises(ValueError, match="it looks like http://127"):
        asyncio.run(connect(url))


def test_the_system_s_http_proxy_stays_out(answering: Answering, deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY does not come between the harness and its own proxy server."""
    monkeypatch.setenv("HTTP_PROXY", deaf)
    monkeypatch.setenv("http_proxy", deaf)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async def play(url: str) -> str:
        async with await connect(url, timeout_s=1) as adapter:
            return adapter.info.version

    with answering(http("200 OK", b'{"version": "git"}')) as url:
        assert asyncio.run(play(url)) == "git"


def test_two_servers_in_one_process() -> None:
    """Objects of two servers do not meet, though the library keeps one address for the whole process."""
    with running_server("embedded") as one, running_server("embedded") as two:
        first, second = HttpApi(one.url, timeout_s=5), HttpApi(two.url, timeout_s=5)
        BoundToxiproxy(first).create("127.0.0.1:3306", "only-here")
        assert list(BoundToxiproxy(first).proxies()) == ["only-here"]
        assert BoundToxiproxy(second).proxies() == {}
        first.close()
        second.close()
