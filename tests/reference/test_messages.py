"""What the healthy backend promises of messages, over the wire of a real process."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.testing.reference_chat import ReferenceChat

Names = Callable[[int], list[str]]


def test_a_message_is_acknowledged_and_reaches_the_recipient(chat: ReferenceChat, names: Names) -> None:
    """An acknowledged message reaches the recipient's live device with the same ids and its text unaltered."""
    alice, bob = names(2)
    sender, recipient = chat.device(alice), chat.device(bob)
    ack = sender.ask("send", to=bob, body="hällo 🙂\u0000\n", client_message_id="c1", client_time_ms=7)
    frame = recipient.next()
    assert ack["type"] == "ack"
    assert ack["conversation_id"] == frame["conversation_id"] == "d:" + ":".join(sorted([alice, bob]))
    for key in ("message_id", "seq", "server_time_ms", "client_message_id"):
        assert frame[key] == ack[key]
    assert (frame["type"], frame["sender"], frame["body"]) == ("message", alice, "hällo 🙂\u0000\n")
    assert frame["client_time_ms"] == 7


def test_the_senders_other_devices_get_it_and_the_sending_one_does_not(chat: ReferenceChat, names: Names) -> None:
    """A message reaches the sender's other device live, and never comes back to the device that sent it."""
    alice, bob = names(2)
    phone, laptop = chat.device(alice, "phone"), chat.device(alice, "laptop")
    chat.login(bob)
    ack = phone.say(bob, "hello")
    assert laptop.next()["message_id"] == ack["message_id"]
    assert phone.waiting() == []


def test_nobody_else_sees_a_message(chat: ReferenceChat, names: Names) -> None:
    """A message reaches neither the live device nor the archive of a third person."""
    alice, bob, eve = names(3)
    listener = chat.device(eve)
    chat.login(bob)
    chat.device(alice).say(bob, "between us")
    assert listener.waiting() == []
    assert listener.feed() == []


def test_a_repeated_send_is_answered_alike_and_not_handed_out_again(chat: ReferenceChat, names: Names) -> None:
    """The same client_message_id gets the first acknowledgement again and makes no second message."""
    alice, bob = names(2)
    sender, recipient = chat.device(alice), chat.device(bob)
    first = sender.say(bob, "once", "same")
    again = sender.say(bob, "once", "same")
    assert again | {"ref": first["ref"]} == first
    assert len(recipient.waiting()) == 1
    assert len(recipient.feed()) == 1


def test_two_people_may_use_the_same_client_message_id(chat: ReferenceChat, names: Names) -> None:
    """De-duplication is per sender: another person's equal id is another message."""
    alice, bob = names(2)
    one, other = chat.device(alice), chat.device(bob)
    assert one.say(bob, "hi", "same")["message_id"] != other.say(alice, "hi", "same")["message_id"]


def test_an_id_is_not_taken_for_another_message(chat: ReferenceChat, names: Names) -> None:
    """A client_message_id that comes back with another text is refused instead of acknowledged for nothing."""
    alice, bob = names(2)
    sender = chat.device(alice)
    chat.login(bob)
    sender.say(bob, "first", "same")
    assert sender.say(bob, "second", "same")["code"] == "id_reused"
    assert [item["body"] for item in sender.feed()] == ["first"]


def test_an_unknown_recipient_is_refused_and_nothing_stored(chat: ReferenceChat, names: Names) -> None:
    """A message to a person who does not exist is refused, and the connection goes on."""
    (alice,) = names(1)
    sender = chat.device(alice)
    assert sender.say("nobody-of-this-name", "hello")["code"] == "unknown_recipient"
    assert sender.feed() == []


def test_pipelined_sends_of_two_people_keep_one_gapless_order(chat: ReferenceChat, names: Names) -> None:
    """Sequence numbers have no gap, and each device sees others' messages live in that order."""
    alice, bob = names(2)
    devices = {alice: chat.device(alice), bob: chat.device(bob)}
    for number in range(60):
        for sender, recipient in ((alice, bob), (bob, alice)):
            devices[sender].put("send", to=recipient, body=f"{sender} {number}", client_message_id=f"{number}")
    live: dict[str, list[int]] = {alice: [], bob: []}
    for name, device in devices.items():
        frames = [json.loads(device.socket.recv(timeout=10)) for _ in range(120)]
        live[name] = [frame["seq"] for frame in frames if frame["type"] == "message"]
        acked = [frame["seq"] for frame in frames if frame["type"] == "ack"]
        assert acked == sorted(acked)
    assert live[alice] == sorted(live[alice])
    assert live[bob] == sorted(live[bob])
    assert sorted(live[alice] + live[bob]) == list(range(1, 121))


def test_pages_follow_a_cursor_without_gap_or_repeat(chat: ReferenceChat, names: Names) -> None:
    """Pages of any size lead through the same messages, and the archive has them too."""
    alice, bob = names(2)
    sender = chat.device(alice)
    chat.login(bob)
    ids = [sender.say(bob, f"{number}")["message_id"] for number in range(11)]
    reader = chat.device(bob)
    for limit in (1, 3, 11, 100_000):
        assert [item["message_id"] for item in reader.feed(limit=limit)] == ids
    page = chat.archive(bob, limit=4)
    rest = chat.archive(bob, cursor=page["cursor"])
    assert [item["message_id"] for item in page["items"] + rest["items"]] == ids
    assert (page["more"], rest["more"]) == (True, False)


def test_an_empty_page_keeps_the_cursor(chat: ReferenceChat, names: Names) -> None:
    """A device that is up to date is answered with the cursor that it came with."""
    alice, bob = names(2)
    reader, sender = chat.device(bob), chat.device(alice)
    sender.say(bob, "one")
    cursor = reader.ask("sync")["cursor"]
    page = reader.ask("sync", cursor=cursor)
    assert (page["items"], page["cursor"], page["more"]) == ([], cursor, False)
    sender.say(bob, "two")
    assert [item["body"] for item in reader.ask("sync", cursor=cursor)["items"]] == ["two"]


def test_a_page_of_long_texts_stays_below_what_clients_accept(chat: ReferenceChat, names: Names) -> None:
    """A page ends early instead of outgrowing the 1 MiB that WebSocket clients accept by default."""
    alice, bob = names(2)
    sender = chat.device(alice)
    chat.login(bob)
    for number in range(75):
        sender.say(bob, "ä" * 8_000, f"{number}")
    page = sender.ask("sync", limit=500)
    assert page["more"]
    assert len(json.dumps(page, ensure_ascii=False).encode()) < 512 * 1024
    assert len(sender.feed(limit=500)) == 75


def test_receipts_reach_every_device_of_the_sender_once(chat: ReferenceChat, names: Names) -> None:
    """A delivered and a read receipt reach the sender's devices with their origin, and a repeated one is silent."""
    alice, bob = names(2)
    phone, laptop, recipient = chat.device(alice, "phone"), chat.device(alice, "laptop"), chat.device(bob, "tablet")
    message_id = phone.say(bob, "hello")["message_id"]
    for state in ("delivered", "read", "read"):
        assert recipient.ask("receipt", message_id=message_id, state=state)["type"] == "ok"
    seen = [
        {"type": "receipt", "message_id": message_id, "state": s, "by": bob, "device": "tablet"}
        for s in ("delivered", "read")
    ]
    assert phone.waiting() == seen
    assert [frame for frame in laptop.waiting() if frame["type"] == "receipt"] == seen


def test_a_receipt_is_taken_only_from_the_audience(chat: ReferenceChat, names: Names) -> None:
    """A stranger's receipt is refused, and the sender's own other device delivers a message to nobody."""
    alice, bob, eve = names(3)
    phone, laptop = chat.device(alice, "phone"), chat.device(alice, "laptop")
    chat.login(bob)
    message_id = phone.say(bob, "hello")["message_id"]
    stranger = chat.device(eve).ask("receipt", message_id=message_id, state="read")
    assert stranger["code"] == "unknown_message"
    assert laptop.ask("receipt", message_id=message_id, state="delivered")["type"] == "ok"
    assert phone.waiting() == []


def test_a_note_to_oneself_is_one_message(chat: ReferenceChat, names: Names) -> None:
    """A person may write to themselves: one message, on the other device too."""
    (alice,) = names(1)
    phone, laptop = chat.device(alice, "phone"), chat.device(alice, "laptop")
    phone.say(alice, "milk")
    assert [frame["body"] for frame in laptop.waiting()] == ["milk"]
    assert [item["body"] for item in phone.feed()] == ["milk"]
