"""Messages to single devices: kept until the device has confirmed them, over the wire of a real process."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from harness.testing.reference_chat import ReferenceChat

Names = Callable[[int], list[str]]
Start = Callable[..., ReferenceChat]


def put(chat: ReferenceChat, token: str, to: str, name: str) -> int:
    """Send one to a person's phone, with this id, and return the status of the answer."""
    wanted = {"to": to, "device": "phone", "id": name, "body": f"key {name}"}
    return chat.ask("POST", "device-messages", token, wanted).status_code


def test_it_reaches_that_device_alone_and_comes_until_it_is_confirmed(chat: ReferenceChat, names: Names) -> None:
    """Over reconnects, to no other device, to no archive; once confirmed never again."""
    alice, bob = names(2)
    token = chat.login(alice)["token"]
    phone, laptop = chat.device(bob), chat.device(bob, "laptop")
    assert put(chat, token, bob, "k1") == 201
    frame = {"type": "to_device", "id": "k1", "sender": alice, "body": "key k1"}
    assert phone.next() == frame
    assert (phone.waiting(), laptop.waiting(), laptop.feed()) == ([], [], [])
    phone.vanish()
    phone = chat.device(bob)
    assert phone.next() == frame
    assert phone.ask("confirm", sender=alice, id="k1")["type"] == "ok"
    assert chat.device(bob).waiting() == []


def test_what_is_there_at_the_handshake_comes_before_any_answer(chat: ReferenceChat, names: Names) -> None:
    """A device that has read its feed to the end has everything that was left for it, in its order."""
    alice, bob = names(2)
    token = chat.login(alice)["token"]
    chat.login(bob)
    for number in range(5):
        put(chat, token, bob, f"k{number}")
    assert [frame["id"] for frame in chat.device(bob).waiting()] == [f"k{number}" for number in range(5)]


def test_a_repeated_send_makes_no_second_message(chat: ReferenceChat, names: Names) -> None:
    """Also after it was confirmed; another sender's equal id is another message."""
    alice, bob, carol = names(3)
    token, other = chat.login(alice)["token"], chat.login(carol)["token"]
    phone = chat.device(bob)
    assert [put(chat, token, bob, "k"), put(chat, token, bob, "k")] == [201, 200]
    assert phone.ask("confirm", sender=alice, id="k")["type"] == "ok"
    assert [put(chat, token, bob, "k"), put(chat, other, bob, "k")] == [200, 201]
    assert [frame["sender"] for frame in phone.waiting()] == [alice, carol]


@pytest.mark.parametrize(
    ("changes", "status"),
    [(("to", "nobody-of-this-name"), 404), (("body", ""), 400), (("id", "x\0"), 400), (("body", "x" * 20000), 413)],
)
def test_what_cannot_be_kept_is_refused(
    chat: ReferenceChat, names: Names, changes: tuple[str, str], status: int
) -> None:
    """With the codes of a send."""
    alice, bob = names(2)
    token = chat.login(alice)["token"]
    phone = chat.device(bob)
    wanted = {"to": bob, "device": "phone", "id": "k", "body": "key"} | dict([changes])
    assert chat.ask("POST", "device-messages", token, wanted).status_code == status
    assert phone.waiting() == []


def test_it_survives_a_crash(start: Start) -> None:
    """What was answered is on disk, confirmed or not."""
    chat = start()
    token = chat.login("alice")["token"]
    bob = chat.device("bob")
    for name in ("there", "not yet"):
        put(chat, token, "bob", name)
    assert bob.ask("confirm", sender="alice", id="there")["type"] == "ok"
    chat.restart(signal.SIGKILL)
    assert [frame["id"] for frame in chat.device("bob").waiting()] == ["not yet"]
