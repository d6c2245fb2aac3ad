"""The same send over HTTP: stored, answered, handed out and refused like one over a live connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.testing.reference_chat import ReferenceChat

Names = Callable[[int], list[str]]


def test_a_message_over_http_reaches_live_devices(chat: ReferenceChat, names: Names) -> None:
    """It is answered with the fields of an ack and reaches everybody's devices but the one that sent it."""
    alice, bob = names(2)
    login = chat.login(alice, "phone")
    same, other, recipient = chat.connect(login["token"]), chat.device(alice, "laptop"), chat.device(bob)
    answer = chat.post(login["token"], to=bob, body="hi", client_message_id="c1", client_time_ms=5, type="text")
    assert answer.status_code == 201
    ack = answer.json()
    assert set(ack) == {"message_id", "client_message_id", "conversation_id", "seq", "server_time_ms"}
    frame = recipient.next()
    assert {key: frame[key] for key in ack} == ack
    assert (frame["body"], frame["sender"], frame["client_time_ms"]) == ("hi", alice, 5)
    assert other.next()["message_id"] == ack["message_id"]
    assert same.waiting() == []


def test_a_repeated_send_is_known_over_either_way(chat: ReferenceChat, names: Names) -> None:
    """A send that is repeated, over HTTP or live, is answered alike with 200 and handed out once."""
    alice, bob = names(2)
    login = chat.login(alice)
    device, recipient = chat.connect(login["token"]), chat.device(bob)
    first = chat.post(login["token"], to=bob, body="once", client_message_id="same")
    again = chat.post(login["token"], to=bob, body="once", client_message_id="same")
    live = device.say(bob, "once", "same")
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert live["message_id"] == first.json()["message_id"]
    assert len(recipient.waiting()) == 1


REFUSED = [
    ({"to": "nobody-of-this-name"}, 404, "unknown_recipient"),
    ({"conversation_id": "g:nothing"}, 403, "not_a_member"),
    ({"body": "ä" * 8193}, 413, "too_large"),
    ({"body": "x" * 200_000}, 413, "too_large"),
    ({"type": "image"}, 415, "unsupported_type"),
    ({"body": ""}, 400, "bad_request"),
    ({"conversation_id": "g:x", "to": "both"}, 400, "bad_request"),
    ({"to": None}, 400, "bad_request"),
    ({"client_message_id": "taken"}, 409, "id_reused"),
]


@pytest.mark.parametrize(("fields", "status", "code"), REFUSED)
def test_a_send_that_cannot_be_stored_is_refused(
    chat: ReferenceChat, names: Names, fields: dict[str, str], status: int, code: str
) -> None:
    """Each refusal has its status and code, stores nothing, and is the same code over a live connection."""
    alice, bob = names(2)
    login = chat.login(alice)
    chat.login(bob)
    assert chat.post(login["token"], to=bob, body="first", client_message_id="taken").status_code == 201
    draft = (
        {"client_message_id": "new", "body": "second"} | ({} if "conversation_id" in fields else {"to": bob}) | fields
    )
    refused = chat.post(login["token"], **draft)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    if len(draft["body"]) < 100_000:
        live = chat.connect(login["token"]).ask("send", **draft | {"message_type": draft.pop("type", "text")})
        assert (live["type"], live["code"]) == ("error", code)
    assert [item["body"] for item in chat.archive(alice)["items"]] == ["first"]


def test_a_body_that_is_nested_too_deep_is_refused(chat: ReferenceChat, names: Names) -> None:
    """400, as for anything else that is no request."""
    (alice,) = names(1)
    headers = {"Authorization": f"Bearer {chat.login(alice)['token']}"}
    refused = chat.http.post(
        f"{chat.url}/v1/messages", content='{"x": ' + "[" * 5000 + "]" * 5000 + "}", headers=headers
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")


def test_the_longest_text_passes(chat: ReferenceChat, names: Names) -> None:
    """A text of exactly 16 KiB is stored unaltered, however it is escaped on the way."""
    alice, bob = names(2)
    token = chat.login(alice)["token"]
    chat.login(bob)
    assert chat.post(token, to=bob, body="\u0001" * 16_384).status_code == 201
    assert chat.connect(token).say(bob, "\u0001" * 16_384)["type"] == "ack"
    assert {item["body"] for item in chat.archive(bob)["items"]} == {"\u0001" * 16_384}


def test_sends_over_both_ways_keep_one_order(chat: ReferenceChat, names: Names) -> None:
    """Live frames come in the order of their sequence numbers, whichever way the messages came in."""
    alice, bob = names(2)
    token = chat.login(alice)["token"]
    sender, recipient = chat.device(alice, "laptop"), chat.device(bob)
    for number in range(20):
        refs = [sender.put("send", to=bob, body="x", client_message_id=f"{number}-{n}") for n in range(5)]
        assert chat.post(token, to=bob).status_code == 201
        assert {sender.answer(ref)["type"] for ref in refs} == {"ack"}
    assert [frame["seq"] for frame in recipient.waiting()] == list(range(1, 121))
