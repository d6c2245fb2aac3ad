"""Tests in Python with chat-chaos: a running stack, connected people, faults, and every message judged.

``pytest test_chat.py`` runs them against the reference backend, ``--chaos-stack my-stack.yaml`` against yours.
"""

import urllib.request


def test_a_message_survives_a_tunnel(chaos_people, chaos_inject, chaos_history):
    """Alice writes while her line is down; the message arrives once she is back, and just once."""
    alice, bob = chaos_people("alice", "bob")
    with chaos_inject("network.down", link="client:alice->chat", for_="1s"):
        message = alice.send(bob, "are you still there?")
    assert message.received(by=bob, within="5s")
    chaos_history.check("acked_never_lost", "no_duplicates")


def test_a_lost_answer_makes_no_second_message(chaos_people, chaos_inject, chaos_history):
    """The message was stored, only its acknowledgement got lost: the app repeats it, and bob sees it once."""
    alice, bob = chaos_people("alice", "bob")
    with chaos_inject("network.downstream_blackhole", link="client:alice->chat", for_="1500ms"):
        message = alice.send(bob, "did you get this?")
    assert message.accepted(within="10s")
    assert len(chaos_history.events("client_send_started", client_message_id=message.id)) > 1
    chaos_history.check("no_duplicates")


def test_what_was_missed_is_fetched(chaos_people, chaos_history):
    """Bob's phone was off while alice wrote."""
    alice, bob = chaos_people("alice", "bob")
    bob.leave()
    messages = [alice.send(bob, f"line {number}") for number in range(3)]
    assert all(message.accepted() for message in messages)
    bob.come_back()
    assert all(message.received(by=bob) for message in messages)
    chaos_history.check("acked_never_lost")


def test_the_service_comes_back_after_a_crash(chaos_stack, chaos_inject):
    """Without simulated people, for an own client: the stack has an address, and faults act on it."""
    with chaos_inject("process.kill", service="chat"):
        assert not chaos_stack.running("chat")
    with urllib.request.urlopen(chaos_stack.url("client->chat") + "/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_a_toxic_of_ones_own(chaos_proxy):
    """toxiproxy-python's own objects, for what no fault kind does; it is undone after the test."""
    chat = chaos_proxy("client->chat")
    chat.add_toxic(name="slow", type="latency", attributes={"latency": 50})
    assert list(chat.toxics()) == ["slow"]
    assert chat.enabled


def test_a_refused_notification_is_no_failed_message(chaos_people, chaos_inject, chaos_history):
    """The notification service is down while bob's phone is off; the message is none the worse for it."""
    alice, bob = chaos_people("alice", "bob")
    bob.leave()
    with chaos_inject("push.reject", device="bob/phone", answer="server_error", for_="1s"):
        message = alice.send(bob, "call me")
        assert message.accepted()
    bob.come_back()
    assert message.received(by=bob)
    chaos_history.check("push_isolated")
    assert chaos_history.events("push_failed", device="bob/phone")
