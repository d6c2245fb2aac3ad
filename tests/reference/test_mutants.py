"""Each seeded defect shows after its trigger, and only then; those of pushes have a file of their own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from harness.reference.mutants import MUTANTS, parts_of
from harness.reference.parts import Parts
from harness.testing.reference_chat import ReferenceChat

Start = Callable[..., ReferenceChat]

IN_BOTH_FORMS = True


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


def test_limit_not_enforced_for_people_seen_before(start: Start) -> None:
    """A lowered limit is shown and holds for a newcomer only."""
    chat = start(mutant="limit_not_enforced")
    alice, bob = chat.device("alice"), chat.device("bob")
    alice.say("bob", "x")
    assert chat.control("PUT", "limits", {"per_user": 1}) == chat.control("GET", "limits")
    assert {alice.say("bob", "x")["type"] for _ in range(5)} == {"ack"}
    assert [bob.say("alice", "x").get("code") for _ in range(2)] == [None, "rate_limited"]


def test_expired_token_accepted_after_its_first_use(start: Start) -> None:
    """Sessions go on and the token still opens others, although the service counts no good token any more."""
    chat = start(mutant="expired_token_accepted", TOKEN_TTL_S="1")
    token = chat.login("alice")["token"]
    device = chat.connect(token)
    chat.control("POST", "tokens/expire", {"user": "alice"})
    assert chat.control("GET", "tokens?user=alice") == {"valid": 0}
    assert device.say("alice", "x")["type"] == "ack"
    time.sleep(1.1)  # its own time is over as well
    assert device.say("alice", "x")["type"] == "ack"
    assert chat.post(token, to="alice").status_code == 201
    assert chat.connect(token).say("alice", "x")["type"] == "ack"


def test_receipt_before_delivery_for_a_device_that_is_away(start: Start) -> None:
    """The sender hears of a delivery that has not happened; for a device that is there the receipt is its own."""
    chat = start(mutant="receipt_before_delivery")
    alice, bob = chat.device("alice"), chat.device("bob")
    bob.ask("sync")
    alice.say("bob", "one")
    bob.next()
    assert alice.waiting() == []
    bob.socket.close()
    chat.closings("bob")
    message_id = alice.say("bob", "two")["message_id"]
    told = {"type": "receipt", "message_id": message_id, "state": "delivered", "by": "bob", "device": "phone"}
    assert alice.waiting() == [told]


def test_client_clock_orders_a_late_clock_first(start: Start) -> None:
    """A message that was written after another was acknowledged is numbered before it."""
    chat = start(mutant="client_clock_orders")
    alice, bob = chat.device("alice"), chat.device("bob")
    now_ms = time.time_ns() // 1_000_000
    first = alice.ask("send", to="bob", body="1", client_message_id="1", client_time_ms=now_ms)
    late = bob.ask("send", to="alice", body="2", client_message_id="2", client_time_ms=now_ms - 300_000)
    same = alice.ask("send", to="bob", body="3", client_message_id="3", client_time_ms=now_ms)
    assert late["seq"] < first["seq"] < same["seq"]
    assert late["server_time_ms"] >= first["server_time_ms"]


def test_reorder_under_concurrency_after_a_burst(start: Start) -> None:
    """Sends one by one are numbered in order; one that follows an acknowledged burst is numbered before it."""
    chat = start(mutant="reorder_under_concurrency")
    chat.login("bob")
    alice = chat.device("alice")
    assert [alice.say("bob", f"{number}")["seq"] for number in range(10)] == list(range(1, 11))
    refs = [alice.put("send", to="bob", body="x", client_message_id=f"burst {number}") for number in range(100)]
    burst = [alice.answer(ref)["seq"] for ref in refs]
    assert alice.say("bob", "after")["seq"] < max(burst)


def test_blocked_still_delivered_when_the_block_came_later(start: Start) -> None:
    """A block before the first message holds, one in mid-conversation does not."""
    chat = start(mutant="blocked_still_delivered")
    token = chat.login("bob")["token"]
    alice, eve, bob = chat.device("alice"), chat.device("eve"), chat.connect(token)
    alice.say("bob", "before")
    for name in ("alice", "eve"):
        chat.ask("PUT", f"blocks/{name}", token)
    alice.say("bob", "after")
    eve.say("bob", "never heard")
    assert [frame["body"] for frame in bob.waiting()] == ["before", "after"]


def test_device_mail_gone_when_sent_with_a_lost_connection(start: Start) -> None:
    """What was written to a connection never comes again; what waits for a device that is away does come."""
    chat = start(mutant="device_mail_gone_when_sent")
    token = chat.login("alice")["token"]
    bob = chat.device("bob")
    chat.ask("POST", "device-messages", token, {"to": "bob", "device": "phone", "id": "lost", "body": "key"})
    assert bob.next()["id"] == "lost"
    bob.vanish()
    chat.closings("bob")
    chat.ask("POST", "device-messages", token, {"to": "bob", "device": "phone", "id": "kept", "body": "key"})
    assert [frame["id"] for frame in chat.device("bob").waiting()] == ["kept"]


def test_logs_message_bodies_of_repeated_sends(start: Start) -> None:
    """The log stays clean until a send is repeated."""
    chat = start(mutant="logs_message_bodies")
    alice = chat.device("alice")
    alice.say("alice", "the-text", "c1")
    assert "the-text" not in chat.log_text()
    alice.say("alice", "the-text", "c1")
    assert "the-text" in chat.log_text()
