"""Groups and blocks: who sees what."""

from __future__ import annotations

from collections.abc import Callable

from harness.testing.reference_chat import ReferenceChat, WireDevice

Names = Callable[[int], list[str]]


def group_of(chat: ReferenceChat, token: str, *members: str) -> str:
    """Make a group and return its id."""
    answer = chat.ask("POST", "groups", token, {"members": list(members)})
    assert answer.status_code == 201
    return str(answer.json()["conversation_id"])


def to_group(device: WireDevice, group: str, body: str) -> str:
    """Send to a group and return the message's id."""
    ack = device.ask("send", conversation_id=group, body=body, client_message_id=body)
    assert ack["conversation_id"] == group
    return str(ack["message_id"])


def bodies(device: WireDevice) -> list[str]:
    """Return the texts of a device's whole feed."""
    return [item["body"] for item in device.feed()]


def test_a_group_message_reaches_every_member(chat: ReferenceChat, names: Names) -> None:
    """Live on all devices but the sending one, in each member's feed, and nowhere else; receipts go to the sender."""
    alice, bob, carol, eve = names(4)
    login = chat.login(alice)
    phone, laptop = chat.connect(login["token"]), chat.device(alice, "laptop")
    others = [chat.device(name) for name in (bob, carol)]
    outsider = chat.device(eve)
    group = group_of(chat, login["token"], bob, carol)
    assert group.startswith("g:")
    message_id = to_group(phone, group, "hello all")
    assert [device.next()["message_id"] for device in (laptop, *others)] == [message_id] * 3
    assert [bodies(device) for device in (phone, *others)] == [["hello all"]] * 3
    assert (phone.waiting(), outsider.waiting(), outsider.feed()) == ([], [], [])
    assert others[0].ask("receipt", message_id=message_id, state="read")["type"] == "ok"
    assert phone.next()["by"] == bob


def test_a_member_sees_from_join_to_leave(chat: ReferenceChat, names: Names) -> None:
    """What is sent before joining or after leaving stays unseen; what was seen stays, and outsiders cannot write."""
    alice, bob = names(2)
    owner, guest = chat.login(alice), chat.login(bob)
    sender, reader = chat.connect(owner["token"]), chat.connect(guest["token"])
    group = group_of(chat, owner["token"])
    to_group(sender, group, "before")
    assert reader.ask("send", conversation_id=group, body="x", client_message_id="x")["code"] == "not_a_member"
    for _ in range(2):
        assert chat.ask("POST", f"groups/{group}/join", guest["token"]).status_code == 200
    to_group(sender, group, "during")
    to_group(reader, group, "mine")
    for _ in range(2):
        assert chat.ask("POST", f"groups/{group}/leave", guest["token"]).status_code == 200
    to_group(sender, group, "after")
    assert chat.post(guest["token"], conversation_id=group).status_code == 403
    assert bodies(reader) == ["during", "mine"]
    assert bodies(sender) == ["before", "during", "mine", "after"]
    assert [item["seq"] for item in sender.feed()] == [1, 2, 3, 4]


def test_groups_want_people_and_ids_that_exist(chat: ReferenceChat, names: Names) -> None:
    """An unknown member and an unknown group are 404, no token is 401, and no list of names 400."""
    (alice,) = names(1)
    token = chat.login(alice)["token"]
    assert chat.ask("POST", "groups", token, {"members": ["nobody-of-this-name"]}).json()["code"] == "unknown_recipient"
    assert chat.ask("POST", "groups", token, {"members": "alice"}).status_code == 400
    assert chat.ask("POST", "groups", token, {"members": ["x"] * 10_001}).status_code == 400
    assert chat.ask("POST", "groups", "wrong", {"members": []}).status_code == 401
    for change in ("join", "leave"):
        answer = chat.ask("POST", f"groups/g:nothing/{change}", token)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_group")


def test_a_blocked_person_is_not_heard_and_cannot_tell(chat: ReferenceChat, names: Names) -> None:
    """Blocked messages are acknowledged, stored for their sender only, and stay away after the block is taken back."""
    alice, bob = names(2)
    token = chat.login(bob)["token"]
    phone, laptop, recipient = chat.device(alice, "phone"), chat.device(alice, "laptop"), chat.connect(token)
    phone.say(bob, "before")
    assert chat.ask("PUT", f"blocks/{alice}", token).json() == {"user": alice, "blocked": True}
    assert phone.say(bob, "during", "d")["seq"] == 2
    recipient.say(alice, "from the one who blocked")
    assert chat.ask("DELETE", f"blocks/{alice}", token).json() == {"user": alice, "blocked": False}
    assert phone.say(bob, "during", "d")["seq"] == 2
    phone.say(bob, "after")
    assert [frame["body"] for frame in recipient.waiting()] == ["before", "after"]
    assert bodies(recipient) == ["before", "from the one who blocked", "after"]
    assert bodies(phone) == ["before", "during", "from the one who blocked", "after"]
    assert [frame["body"] for frame in laptop.waiting()] == bodies(phone)


def test_in_a_group_a_block_hides_from_the_blocker_only(chat: ReferenceChat, names: Names) -> None:
    """Other members see what a blocked member writes."""
    alice, bob, carol = names(3)
    blocker = chat.login(bob)
    login = chat.login(alice)
    sender, deaf, hearing = chat.connect(login["token"]), chat.connect(blocker["token"]), chat.device(carol)
    group = group_of(chat, login["token"], bob, carol)
    chat.ask("PUT", f"blocks/{alice}", blocker["token"])
    to_group(sender, group, "hello")
    to_group(hearing, group, "hi")
    assert (bodies(hearing), bodies(deaf)) == (["hello", "hi"], ["hi"])
    assert [frame["body"] for frame in deaf.waiting()] == ["hi"]


def test_blocks_want_somebody_else_who_exists(chat: ReferenceChat, names: Names) -> None:
    """An unknown person is 404, and oneself 400."""
    (alice,) = names(1)
    token = chat.login(alice)["token"]
    assert chat.ask("PUT", "blocks/nobody-of-this-name", token).status_code == 404
    assert chat.ask("PUT", f"blocks/{alice}", token).status_code == 400
