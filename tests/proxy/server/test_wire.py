"""Reading requests and addresses: the pure parts."""

from __future__ import annotations

import random

import pytest

from harness.proxy.addresses import Address, BadAddress, parse
from harness.proxy.http_wire import RequestParser
from harness.proxy.toxics.slicer import piece_sizes

REQUEST = b"POST /proxies/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"PATCH http://h/p HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_request_is_the_same_in_any_pieces(step: int) -> None:
    """However the bytes are cut, the same two requests come out."""
    parser, got = RequestParser(), []
    raw = REQUEST + b"\r\n" + CHUNKED
    for start in range(0, len(raw), step):
        parser.feed(raw[start : start + step])
        while (request := parser.next()) is not None:
            got.append((request.method, request.path, request.body))
    assert got == [("POST", "/proxies/a b", b"body"), ("PATCH", "/p", b"abcd")]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", Address("", 0)),
        (":80", Address("", 80)),
        ("localhost:", Address("localhost", 0)),
        ("127.0.0.1:http", Address("127.0.0.1", 80)),
        ("[::1]:8474", Address("::1", 8474)),
    ],
)
def test_addresses_are_read_as_go_reads_them(text: str, address: Address) -> None:
    """Host and port, with service names and brackets."""
    assert parse(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bad", "address bad: missing port in address"),
        ("[::1]", "address [::1]: missing port in address"),
        ("[::1", "address [::1: missing ']' in address"),
        ("::1:0", "address ::1:0: too many colons in address"),
        ("h:-1", "address -1: invalid port"),
        ("h:65536", "address 65536: invalid port"),
        ("h:x\0y", "lookup tcp/x\0y: unknown port"),
    ],
)
def test_wrong_addresses_are_told_in_go_s_words(text: str, reason: str) -> None:
    """The message is Go's."""
    with pytest.raises(BadAddress) as told:
        parse(text)
    assert str(told.value) == reason


@pytest.mark.parametrize("average", [-5, 0, 1, 3, 100, 2**63])
@pytest.mark.parametrize("variation", [-5, 0, 1, 50, 2**63])
def test_slicing_keeps_every_byte(average: int, variation: int) -> None:
    """Whatever the numbers, the pieces are not empty and add up."""
    sizes = list(piece_sizes(1000, average, variation, random.Random(1)))
    assert sum(sizes) == 1000
    assert min(sizes) >= 1


def test_slices_are_near_the_average() -> None:
    """Pieces are at most the average plus its variation."""
    sizes = list(piece_sizes(10_000, 100, 20, random.Random(1)))
    assert max(sizes) <= 120
    assert len(sizes) >= 10_000 / 120
