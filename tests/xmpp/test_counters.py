"""The counters of stream management: what an acknowledgement covers, also across a resumption and the modulus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers.xmpp.counters import Counters
from harness.drivers.xmpp.xml import BadStream


def counting(*names: str) -> Counters:
    """Counters after these stanzas were sent."""
    counters = Counters("s1")
    for name in names:
        counters.sent(name)
    return counters


def test_an_acknowledgement_covers_what_was_sent_before_it() -> None:
    """Each name once, in order; the same count again covers nothing new."""
    counters = counting("a", "b", "c")
    assert counters.acknowledge("2") == ["a", "b"]
    assert counters.acknowledge("2") == []
    assert counters.acknowledge("3") == ["c"]


@pytest.mark.parametrize(("h", "code"), [("2", "too_much"), ("-1", "bad"), ("", "bad"), ("x", "bad")])
def test_an_impossible_acknowledgement_ends_the_stream(h: str, code: str) -> None:
    """A server that has handled what was never sent cannot be believed (XEP-0198, "Error handling")."""
    with pytest.raises(BadStream, match=code):
        counting("a").acknowledge(h)


def test_a_resumption_tells_what_had_arrived() -> None:
    """What it does not cover is forgotten, and counting goes on where the server stands."""
    counters = counting("a", "b", "c")
    counters.acknowledge("1")
    assert counters.resumed("2") == ["b"]
    counters.sent("d")
    assert counters.acknowledge("3") == ["d"]


@given(start=st.integers(2**32 - 5, 2**32 - 1), sent=st.integers(0, 10), handled=st.integers(0, 10))
def test_counters_go_round(start: int, sent: int, handled: int) -> None:
    """After 2**32 - 1 comes 0, in both directions."""
    counters = Counters(acknowledged=start, received=start)
    for number in range(sent):
        counters.sent(str(number))
    for _ in range(handled):
        counters.handled()
    assert counters.received == (start + handled) % 2**32
    assert counters.acknowledge(str((start + sent) % 2**32)) == [str(number) for number in range(sent)]
