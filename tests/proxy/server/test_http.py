"""The control port as HTTP: what is accepted, and that nothing sent to it does harm."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness.testing.proxy_servers import RunningServer

GET = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
TOXIC = json.dumps({"type": "noop"}).encode()


@contextmanager
def _talk(server: RunningServer) -> Iterator[socket.socket]:
    with socket.create_connection((server.host, server.port), timeout=5) as talk:
        yield talk


def _all_of(talk: socket.socket) -> bytes:
    """Read until the server closes."""
    got = b""
    while data := talk.recv(65536):
        got += data
    return got


def _until(talk: socket.socket, mark: bytes, times: int = 1) -> bytes:
    got = b""
    while got.count(mark) < times:
        data = talk.recv(65536)
        assert data, got
        got += data
    return got


MALFORMED = [
    (b"GARBAGE\r\n\r\n", 400),
    (b"\x00\xff\xfe\r\n\r\n", 400),
    (b"GET /version\r\n\r\n", 400),
    (b"GET version HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /version HTTP/1.1\r\n\r\n", 400),
    (b"GET /version HTTP/3.9\r\nHost: x\r\n\r\n", 505),
    (b"GET /version HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n", 400),
    (b"GET /version HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
    (b"POST /reset HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400),
    (b"POST /reset HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /reset HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST /reset HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (b"POST /reset HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST /reset HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST /reset HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
    (b"GET /version HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000, 431),
]


@pytest.mark.parametrize(("raw", "status"), MALFORMED)
def test_malformed_requests_are_answered_and_closed(embedded: RunningServer, api: Any, raw: bytes, status: int) -> None:
    """Each gets its status and the connection is closed; the next client is served as ever."""
    with _talk(embedded) as talk:
        talk.sendall(raw)
        assert _all_of(talk).startswith(b"HTTP/1.1 %d " % status)
    assert api.get("/version").status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"name": "\\ud800", "upstream": "\\udfff", "listen": "127.0.0.1:0"}',
        b'{"name": "x", "upstream": "y", "listen": "127.0.0.1:0", "n": %s}' % (b"9" * 5000),
        b'{"name": "x", "upstream": "y", "listen": "bad\\u0000:1"}',
        b"\xff\xfe\x00",
        b'{"type": "noop", "toxicity": NaN}',
    ],
)
def test_evil_bodies_harm_nobody(api: Any, body: bytes) -> None:
    """Whatever the body, there is an answer in time."""
    api.post("/proxies", {"name": "p", "upstream": "x:1", "listen": "127.0.0.1:0"})
    for path in ("/proxies", "/populate", "/proxies/p", "/proxies/p/toxics"):
        assert api.post(path, body).status in {200, 201, 400, 500}


def test_requests_may_come_in_pieces_and_in_heaps(embedded: RunningServer) -> None:
    """Byte by byte or several at once: every request gets its answer, in order, on one connection."""
    with _talk(embedded) as talk:
        for byte in GET:
            talk.send(bytes([byte]))
        _until(talk, b'"}\n')
        talk.sendall(GET + b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        got = _until(talk, b'"}\n', times=2)
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200", b"404", b"200"]


@pytest.mark.parametrize(("wish", "version"), [(b"Connection: close\r\n", b"1.1"), (b"", b"1.0")])
def test_the_connection_closes_when_the_client_wants(embedded: RunningServer, wish: bytes, version: bytes) -> None:
    """After ``Connection: close`` and in HTTP/1.0 one answer is all."""
    with _talk(embedded) as talk:
        talk.sendall(b"GET /version HTTP/%s\r\nHost: x\r\n%s\r\n" % (version, wish))
        assert _all_of(talk).endswith(b'"}\n')


def test_a_client_that_half_closes_gets_its_answer(embedded: RunningServer) -> None:
    """A FIN after the request is no reason not to answer it."""
    with _talk(embedded) as talk:
        talk.sendall(GET)
        talk.shutdown(socket.SHUT_WR)
        assert _all_of(talk).endswith(b'"}\n')


def test_chunked_bodies_and_leave_to_send(embedded: RunningServer, api: Any) -> None:
    """Chunked bodies are read, and a client that asks for leave to send its body gets it."""
    api.post("/proxies", {"name": "p", "upstream": "x:1", "listen": "127.0.0.1:0"})
    head = b"POST /proxies/p/toxics HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with _talk(embedded) as talk:
        talk.sendall(head)
        assert _until(talk, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for part in (TOXIC[:5], TOXIC[5:]):
            talk.sendall(b"%x;ext=1\r\n%s\r\n" % (len(part), part))
        talk.sendall(b"0\r\nTrailer: dropped\r\n\r\n" + GET)
        got = _until(talk, b'"}\n')
    assert b'"name":"noop_downstream"' in got
    assert api.get("/proxies/p/toxics/noop_downstream").status == 200


def test_idle_and_broken_clients_hold_nobody_up(embedded: RunningServer, api: Any, reset: Callable[..., None]) -> None:
    """Clients that say nothing, stop half-way or vanish leave the API free for others."""
    talks = [socket.create_connection((embedded.host, embedded.port), timeout=5) for _ in range(50)]
    for talk in talks[10:]:
        talk.sendall(b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    for talk in talks[30:]:
        reset(talk)
    assert api.get("/version").status == 200
    for talk in talks[:30]:
        talk.close()


def test_listen_by_name_is_looked_up(api: Any) -> None:
    """A host name in ``listen`` is resolved before the proxy listens; one that does not exist is an error."""
    named = {"name": "named", "upstream": "x:1", "listen": f"{socket.gethostname()}:0"}
    assert api.post("/proxies", named).status in {201, 500}  # the machine's own name need not resolve
    lost = {"name": "lost", "upstream": "x:1", "listen": "no.such.host.invalid:0"}
    answer = api.post("/proxies", lost)
    assert (answer.status, answer.json["error"]) == (500, "listen tcp: lookup no.such.host.invalid: no such host")


@pytest.mark.parametrize(
    ("toxics", "status", "text"),
    [
        ("x", 400, "bad request body: expected an array of toxics, got a string"),
        ([5], 400, "bad request body: expected an object for a toxic, got a number"),
        ([{"type": "nope"}], 400, "invalid toxic type"),
        ([{"type": "noop", "stream": "sideways"}], 400, "stream was invalid, can be either upstream or downstream"),
        ([{"type": "noop"}, {"type": "noop"}], 409, "toxic already exists"),
        ([{"type": "latency", "attributes": {"latency": "5"}}], 400, "bad request body: attribute latency"),
    ],
)
def test_toxics_at_creation_are_all_or_nothing(api: Any, toxics: Any, status: int, text: str) -> None:
    """A wrong toxic refuses the proxy, alone and in /populate."""
    wanted = {"name": "p", "upstream": "x:1", "listen": "127.0.0.1:0", "toxics": toxics}
    for path, body in (("/proxies", wanted), ("/populate", [wanted])):
        answer = api.post(path, body)
        assert answer.status == status
        assert answer.json["error"].startswith(text)
    assert api.get("/proxies").json == {}


def test_populate_with_toxics(api: Any) -> None:
    """A new proxy gets its toxics, an unchanged one keeps those it has."""
    wanted = {"name": "p", "upstream": "x:1", "listen": "127.0.0.1:0", "toxics": [{"type": "noop", "name": "mine"}]}
    made = api.post("/populate", [wanted]).json["proxies"][0]
    assert [toxic["name"] for toxic in made["toxics"]] == ["mine"]
    again = {**wanted, "listen": made["listen"], "toxics": [{"type": "noop", "name": "other"}]}
    assert api.post("/populate", [again]).json["proxies"] == [made]


def test_metrics_count_both_directions(link: Any, api: Any, receive: Callable[..., bytes]) -> None:
    """Prometheus's text tells live bytes by direction, with labels escaped."""
    tunnel = link('odd"name')
    ends = tunnel.connect()
    ends.client.sendall(b"12345")
    assert receive(ends.server, 5) == b"12345"
    answer = api.get("/metrics")
    assert answer.type.startswith("text/plain; version=0.0.4")
    labels = f'direction="upstream",listener="{tunnel.address}",proxy="odd\\"name"'
    for family in ("received", "sent"):
        sample = next(
            line for line in answer.body.decode().splitlines()
            if line.startswith(f"toxiproxy_proxy_{family}_bytes_total{{{labels}")
        )  # fmt: skip
        assert sample.endswith("} 5")
