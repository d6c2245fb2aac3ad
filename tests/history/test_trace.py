"""The life of one message as a page of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.results import Witness
from harness.history.ingest import History, open_history
from harness.history.trace import render, trace
from harness.testing.histories import HistoryBuilder, at_ns

LOST = Witness(text="lost", client_message_id="c-m2", mono_ns=at_ns(3.51), missing_step="stored")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Three messages, the second of which was lost in a crash."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone").fault("crash", 3.2, 4.0, kind="process.kill")
    first, second, third = (
        builder.send("m1", 2.0),
        builder.send("m2", 3.0, answers=("unknown", "ok")),
        builder.send("m3", 6.0),
    )
    builder.add("client_retry_scheduled", 3.02, device="alice/phone", op=second.client_message_id, delay_ms=480)
    for message in (first, third):
        builder.live(message, "bob/phone", message.answered_s + 0.02)
    builder.sync(third, "bob/phone", 7.0, (None, "1")).read(third, "bob/phone", 7.1)
    builder.receipt("read", third, "bob", 7.2)
    folder: Path = builder.archive(["alice", "bob"], [first, third]).write(tmp_path_factory.mktemp("events"))
    with open_history([folder]) as opened:
        yield opened


def test_a_lost_message_is_shown_with_its_fault_and_its_missing_step(history: History) -> None:
    """The whole page: attempts, the fault's bar, the dashed line, the neighbours that arrived."""
    page = render(trace(history, "c-m2"), missing=LOST).splitlines()
    assert page[:3] == ["message from alice to bob, conversation c1", "  client id c-m2", "  server id s-m2"]
    assert page.pop(3) == "  outcome   silently lost"
    dashed = page.pop(11)
    assert dashed.startswith("- - - - -      archive             MISSING: the final reading does not have it")
    assert dashed.endswith("- -")
    assert page[4:10] == [
        "    3.000 s    alice/phone         sends to bob",
        "    3.010 s    alice/phone         no answer: stored or not, the client cannot know",
        "    3.020 s    alice/phone         will try again in 480 ms",
        "    3.200 s ┌  engine              fault crash: process.kill on client->chat installed",
        "    3.500 s │  alice/phone         sends again (attempt 2) to bob",
        "    3.510 s │  alice/phone         acknowledged as s-m2, place 2",
    ]
    assert "    4.000 s └  engine              fault crash: process.kill on client->chat healed" in page
    assert page[-2:] == [
        "  before  s-m1 from alice, sent 2.000 s, on bob/phone at 2.030 s",
        "  after   s-m3 from alice, sent 6.000 s, on bob/phone at 6.030 s",
    ]


def test_a_message_that_arrived_has_its_whole_life(history: History) -> None:
    """Live, by sync, opened, reported, archived; found by the server's id, without the fault it did not meet."""
    page = render(trace(history, "s-m3"))
    for words in (
        "bob/phone           receives it live on connection conn-2",
        "bob/phone           pulls it by a sync from cursor none to 1",
        "bob/phone           is opened by its user",
        "alice/phone         is told: read by bob",
        "archive             the final reading for bob has it as s-m3, place 3",
    ):
        assert words in page
    assert "crash" not in page
    assert "MISSING" not in page


def test_pushes_and_limits_are_told_in_words(tmp_path: Path) -> None:
    """What the provider answered, by itself, and what it was asked a second time."""
    builder = HistoryBuilder().online("alice/phone").push_token("bob/phone", 0.5)
    builder.fault("slower", 1.0, 9.0, kind="push.reject", link=None, provider="push")
    message = builder.send("m1", 2.0, answers=(None,))
    builder.add("rate_limited", 2.01, device="alice/phone", op="c-m1", retry_after_ms=500)
    builder.acknowledge(message, 2.6).push(message, "bob/phone", 2.7, "throttled", retry_after_ms=1000)
    builder.push(message, "bob/phone", 3.8, attempt=2, provider="unipush")
    with open_history([builder.write(tmp_path)]) as opened:
        missing = Witness(text="late", client_message_id="c-m1", mono_ns=at_ns(5.0), missing_step="push_sent")
        page = render(trace(opened, "c-m1"), missing=missing)
    for words in (
        "alice/phone         is told of a limit; may come back in 500 ms",
        "push provider       does not take a push for bob/phone: throttled, asks for 1000 ms",
        "unipush             takes a push for bob/phone (request 2)",
        "fault slower: push.reject on push installed",
        "MISSING: the device, which was away, was not notified of it in time",
    ):
        assert words in page


def test_a_page_is_never_wider_than_the_screen(history: History) -> None:
    """120 columns, whatever the ids are like, and no colour codes."""
    page = render(trace(history, "c-m2"), missing=LOST)
    assert max(map(len, page.splitlines())) <= 120
    assert "\x1b" not in page


def test_a_unique_beginning_of_an_id_will_do(history: History) -> None:
    """By either id; the same message both times."""
    assert trace(history, "c-m1") == trace(history, "s-m1")


def test_ids_that_are_unknown_or_not_unique_are_refused(history: History) -> None:
    """The message says what the beginning could mean."""
    with pytest.raises(UsageError, match="no message has the id 'c-m9'"):
        trace(history, "c-m9")
    with pytest.raises(UsageError, match="3 messages have an id that begins with 'c-m': c-m1, c-m2, c-m3"):
        trace(history, "c-m")


def test_a_message_to_a_device_is_told_in_words(tmp_path: Path) -> None:
    """From its sender to the device, and back to the service."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone").to_device("k", 2.0, "bob/phone")
    builder.for_device("k", "bob/phone", 2.1).confirmed("k", "bob/phone", 2.2)
    with open_history([builder.write(tmp_path / "events")]) as history:
        page = render(trace(history, "d-k")).splitlines()
    assert page[-4:] == [
        "    2.000 s   alice/phone         sends to bob, to the device bob/phone alone",
        "    2.010 s   alice/phone         is told that it is kept for the device",
        "    2.100 s   bob/phone           receives it, to this device alone on connection conn-2",
        "    2.200 s   bob/phone           has told the service that it is there",
    ]
