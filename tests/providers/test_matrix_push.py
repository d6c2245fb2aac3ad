"""The Matrix push gateway as a process: what it takes, what it rejects, and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness.providers.tokens import push_token
from harness.testing.push_provider import BOB, PushProvider, push_provider

EVE = push_token("eve/phone", "0c1d")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[PushProvider]:
    """A running gateway."""
    with push_provider(tmp_path, kind="matrix_push") as running:
        yield running


def notify(gateway: PushProvider, *keys: str, **more: Any) -> httpx2.Response:
    """Send a notification for these push keys, about the event ``$e`` unless told otherwise."""
    about = {"event_id": "$e", "room_id": "!r", "prio": "high", "counts": {"unread": 1}} | more
    devices = [{"app_id": "dev.chat-chaos", "pushkey": key} for key in keys]
    notification = {name: value for name, value in about.items() if value is not None} | {"devices": devices}
    return gateway.http.post(f"{gateway.url}/_matrix/push/v1/notify", json={"notification": notification})


def test_a_push_is_taken_for_every_key(gateway: PushProvider) -> None:
    """Nobody is rejected; each key's device gets an event that names the message."""
    answer = notify(gateway, BOB, EVE)
    assert (answer.status_code, answer.json()) == (200, {"rejected": []})
    sent = [(fact["device"], fact["message_id"], fact["provider_answer"]) for fact in gateway.events("push_sent")]
    assert sent == [("bob/phone", "$e", "accepted"), ("eve/phone", "$e", "accepted")]


def test_one_key_is_rejected_and_the_other_is_not(gateway: PushProvider) -> None:
    """A rejected key is a 200 that lists it."""
    gateway.rule("r", answer="unregistered", device="bob/phone")
    answer = notify(gateway, BOB, EVE)
    assert (answer.status_code, answer.json()) == (200, {"rejected": [BOB]})
    [failed] = gateway.events("push_failed")
    assert (failed["device"], failed["provider_answer"], failed["http_status"]) == ("bob/phone", "unregistered", 200)
    assert [fact["device"] for fact in gateway.events("push_sent")] == ["eve/phone"]


@pytest.mark.parametrize(("answer", "status"), [("throttled", 429), ("server_error", 500)])
def test_a_refusal_is_one_for_all_keys(gateway: PushProvider, answer: str, status: int) -> None:
    """The request has one status, so that nobody of it was notified."""
    gateway.rule("r", answer=answer, device="bob/phone")
    assert notify(gateway, EVE, BOB).status_code == status
    assert [fact["device"] for fact in gateway.events("push_failed")] == ["eve/phone", "bob/phone"]


def test_a_count_without_an_event_is_no_push(gateway: PushProvider) -> None:
    """The badge's number changed: answered, and nothing on record."""
    assert notify(gateway, BOB, event_id=None, room_id=None).json() == {"rejected": []}
    assert gateway.events("push_sent") == []


def test_what_tells_of_the_content_is_named(gateway: PushProvider) -> None:
    """By the fields, never by what stands in them."""
    notify(gateway, BOB, sender="@alice:chat.test", content={"body": "secret"})
    [sent] = gateway.events("push_sent")
    assert sent["detail"] == {"unexpected_fields": "content,sender"}
    assert "secret" not in str(sent)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"notification": {"devices": []}}', b'{"notification": {"devices": [{}]}}']
)
def test_what_is_no_notification_is_refused(gateway: PushProvider, body: bytes) -> None:
    """With the specification's form of an error."""
    answer = gateway.http.post(f"{gateway.url}/_matrix/push/v1/notify", content=body)
    assert (answer.status_code, answer.json()["errcode"]) == (400, "M_BAD_JSON")
