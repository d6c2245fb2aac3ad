"""Each seeded defect shows after its trigger, and only then."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from harness.reference.mutants import MUTANTS, parts_of
from harness.reference.parts import Parts
from harness.testing.reference_chat import ReferenceChat

Start = Callable[..., ReferenceChat]


def test_every_mutant_replaces_exactly_one_part() -> None:
    """A mutant differs from the healthy service in one part, and its entry says what is wrong."""
    healthy = Parts()
    for name, mutant in MUTANTS.items():
        parts = parts_of(name)
        replaced = [part for part in Parts.__slots__ if getattr(parts, part) is not getattr(healthy, part)]
        assert len(replaced) == 1
        assert (mutant.name, bool(mutant.title), bool(mutant.text)) == (name, True, True)
    assert parts_of("") == healthy


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_healthy_while_nothing_is_cut_or_killed(start: Start, mutant: str) -> None:
    """Sends, repeats, live delivery, receipts, clean reconnects and an orderly restart go as in the healthy service."""
    chat = start(mutant=mutant)
    alice, bob, laptop = chat.device("alice"), chat.device("bob"), chat.device("bob", "laptop")
    first = alice.say("bob", "one", "c1")
    assert alice.say("bob", "one", "c1")["message_id"] == first["message_id"]
    assert [device.next()["message_id"] for device in (bob, laptop)] == [first["message_id"]] * 2
    assert bob.ask("receipt", message_id=first["message_id"], state="read")["type"] == "ok"
    assert alice.next()["state"] == "read"
    bob.socket.close()
    second = alice.say("bob", "two", "c2")
    bob = chat.device("bob")
    assert [item["message_id"] for item in bob.feed()] == [first["message_id"], second["message_id"]]
    third = alice.say("bob", "three", "c3")
    assert bob.next()["message_id"] == third["message_id"]
    chat.restart()
    bob = chat.device("bob")
    fourth = chat.device("alice").say("bob", "four", "c4")
    assert bob.next()["message_id"] == fourth["message_id"]
    assert [item["seq"] for item in bob.feed()] == [1, 2, 3, 4]


def test_ack_before_store_loses_acknowledged_messages_in_a_crash(start: Start) -> None:
    """Acknowledged and delivered messages are gone after ``kill -9``; the people and their tokens are not."""
    chat = start(mutant="ack_before_store")
    token = chat.login("bob")["token"]
    alice, bob = chat.device("alice"), chat.connect(token)
    acked = [alice.say("bob", f"{number}") for number in range(5)]
    assert [bob.next()["message_id"] for _ in acked] == [ack["message_id"] for ack in acked]
    assert len(bob.feed()) == 5
    chat.restart(signal.SIGKILL)
    assert chat.connect(token).feed() == []


def test_no_dedup_after_restart_stores_a_repeated_send_twice(start: Start) -> None:
    """A send that is repeated after a restart makes a second message with an id of its own."""
    chat = start(mutant="no_dedup_after_restart")
    chat.login("bob")
    first = chat.device("alice").say("bob", "once", "same")
    chat.restart()
    again = chat.device("alice").say("bob", "once", "same")
    assert again["message_id"] != first["message_id"]
    assert [item["client_message_id"] for item in chat.archive("bob")["items"]] == ["same", "same"]


def test_fanout_drops_on_reconnect_after_a_cut(start: Start) -> None:
    """After its connection broke a device gets nothing live, each time again; a sync still has it all."""
    chat = start(mutant="fanout_drops_on_reconnect")
    alice, bob = chat.device("alice"), chat.device("bob")
    for number in (1, 2, 3):
        bob.vanish()
        chat.closings("bob", number)
        bob = chat.device("bob")
        alice.say("bob", "hello")
        assert bob.waiting() == []
        assert len(bob.feed()) == number


def test_fanout_drops_on_reconnect_beside_a_half_open_connection(start: Start) -> None:
    """A device that reconnects while its old connection is still open gets nothing live from then on."""
    chat = start(mutant="fanout_drops_on_reconnect")
    alice, old = chat.device("alice"), chat.device("bob")
    new = chat.device("bob")
    assert old.socket is not new.socket
    for sent in (1, 2):
        alice.say("bob", "hello")
        assert new.waiting() == []
        assert len(new.feed()) == sent
        chat.closings("bob", 1)
