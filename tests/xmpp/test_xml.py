"""What the parser of streams takes, and what it refuses before anybody is harmed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers.xmpp.xml import STREAMS, BadStream, Element, Parser

OPENING = f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' id='s1'>".encode()
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))


def opened(**limits: int) -> Parser:
    """A parser that has read a stream's beginning."""
    parser = Parser(**limits)
    assert parser.feed(OPENING) == []
    return parser


def test_elements_come_whole_whatever_the_network_does() -> None:
    """Byte by byte or at once, with namespaces told apart and prefixes forgotten."""
    said = b"<message id='1'><body>a &amp; b</body><x:o xmlns:x='urn:o' id='7'/></message><r xmlns='urn:xmpp:sm:3'/>"
    at_once = opened().feed(said)
    parser = opened()
    bytewise = [element for byte in said for element in parser.feed(bytes([byte]))]
    assert at_once == bytewise
    message, request = at_once
    assert (message.name, message.get("id"), message.words("body")) == ("message", "1", "a & b")
    assert message.child("o", "urn:o") == Element("o", "urn:o", {"id": "7"})
    assert (request.name, request.ns) == ("r", "urn:xmpp:sm:3")


def test_the_end_of_a_stream_is_told_apart_from_its_breaking_off() -> None:
    """Only the closing tag closes it."""
    parser = opened()
    parser.feed(b"<presence/>")
    assert not parser.closed
    parser.feed(b"</stream:stream>")
    assert parser.closed


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "restricted_xml"),
        (b"<!DOCTYPE x SYSTEM 'http://127.0.0.1/x.dtd'><x/>", "restricted_xml"),
        (OPENING + b"<!-- hush -->", "restricted_xml"),
        (OPENING + b"<?php ?>", "restricted_xml"),
        (OPENING + b"<message>&lol;</message>", "not_well_formed"),
        (OPENING + b"<message></presence>", "not_well_formed"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not_well_formed"),
        (b"<html></html>", "no_stream"),
        (OPENING + b"<a>" * 70, "stanza_too_deep"),
    ],
)
def test_what_no_stream_may_hold_is_refused(data: bytes, code: str) -> None:
    """RFC 6120, 11.1 and 11.3; entities are never expanded, because they are never declared."""
    with pytest.raises(BadStream, match=code):
        Parser().feed(data)


@pytest.mark.parametrize("said", [b"<message><body>", b"<message x='", b"<message>", b"<"])
def test_a_stanza_that_does_not_end_is_refused_at_its_limit(said: bytes) -> None:
    """Text, an attribute, children or a name: all of it counts, however it comes."""
    parser = opened(largest=1000)
    for chunk in [said, *[b"a" * 100] * 9]:
        parser.feed(chunk)
    with pytest.raises(BadStream, match="stanza_too_large"):
        parser.feed(b"a" * 100)


def test_many_small_stanzas_are_no_large_one() -> None:
    """The limit is a stanza's, not a stream's."""
    parser = opened(largest=1000)
    assert sum(len(parser.feed(b"<message><body>hello</body></message>")) for _ in range(200)) == 200


@given(body=TEXT, attribute=TEXT)
def test_what_is_written_is_read_back(body: str, attribute: str) -> None:
    """Quotes, angle brackets and everything else that means something in XML."""
    element = Element("message", attrs={"id": attribute}, children=[Element("body", text=body), Element("o", "urn:o")])
    [read] = opened().feed(element.render().encode())
    assert read.words("body") == body
    assert read.get("id") == attribute
    assert read.child("o", "urn:o") is not None
