"""The push provider as a process: its answers, its rules, its events, and what it keeps to itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from harness.core.digests import secret_ref
from harness.drivers.retry_after import wait_ms
from harness.providers.registry import kinds
from harness.providers.tokens import push_token
from harness.testing.push_provider import BOB, KEY, PushProvider, push_provider

EVE = push_token("eve/phone", "0c1d")


@pytest.fixture
def push(tmp_path: Path) -> Iterator[PushProvider]:
    """A running provider."""
    with push_provider(tmp_path) as running:
        yield running


def test_a_push_is_taken_and_shown(push: PushProvider) -> None:
    """200, and two events that name device, message and reference."""
    assert push.push().status_code == 200
    deadline = time.monotonic() + 5
    while not push.events("push_displayed"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [sent] = push.events("push_sent")
    assert (sent["device"], sent["message_id"], sent["provider_answer"]) == ("bob/phone", "m-1", "accepted")
    assert (sent["observer"], sent["attempt"], sent["push_ref"]) == ("provider", 1, secret_ref(KEY, BOB))


@pytest.mark.parametrize(
    ("answer", "status", "event"),
    [
        ("unregistered", 410, "push_failed"),
        ("throttled", 429, "push_failed"),
        ("server_error", 500, "push_failed"),
        ("accepted_never_shown", 200, "push_sent"),
    ],
)
def test_every_answer_can_be_had(push: PushProvider, answer: str, status: int, event: str) -> None:
    """A rule turns the next push into that answer; removed, pushes are taken again."""
    push.rule("r", answer=answer, **({"retry_after_s": 1.2} if answer == "throttled" else {}))
    refused = push.push()
    assert refused.status_code == status
    assert refused.headers.get("Retry-After") == ("2" if answer == "throttled" else None)
    assert [fact["provider_answer"] for fact in push.events(event)] == [answer]
    assert push.events("push_displayed") == []


def test_a_wish_for_time_may_be_a_date(push: PushProvider) -> None:
    """The date lies as far after the answer's own as was wished, or up to a second more."""
    push.rule("r", answer="throttled", retry_after_s=4, retry_after_form="date")
    refused = push.push()
    assert wait_ms(refused.headers, datetime.now(UTC)) in {4000, 5000}
    [failed] = push.events("push_failed")
    assert failed["retry_after_ms"] == 4000


def test_a_hanging_provider_never_answers(push: PushProvider) -> None:
    """The caller's patience ends first; the attempt is on record."""
    push.rule("r", answer="hang")
    with pytest.raises(httpx2.TimeoutException):
        push.http.post(
            f"{push.url}/v1/push", json={"token": BOB, "message_id": "m", "conversation_id": "c"}, timeout=0.3
        )
    [failed] = push.events("push_failed")
    assert "http_status" not in failed


def test_a_rule_for_one_device_spares_the_others(push: PushProvider) -> None:
    """Bob's pushes fail, Eve's do not."""
    push.rule("r", answer="unregistered", device="bob/phone")
    assert [push.push(BOB).status_code, push.push(EVE).status_code] == [410, 200]


def test_a_share_strikes_about_that_part_and_repeats_with_the_seed(push: PushProvider) -> None:
    """Half of two hundred, give or take, and another provider with the same seed would choose the same."""
    push.rule("r", answer="server_error", share=0.5)
    struck = [push.push(message=f"m-{number}").status_code == 500 for number in range(200)]
    assert 70 < sum(struck) < 130
    assert [push.push(message=f"m-{number}").status_code == 500 for number in range(200)] != struck


def test_attempts_of_one_message_are_counted(push: PushProvider) -> None:
    """The third request for a message and token is its third attempt; another message begins anew."""
    for message in ("m-1", "m-1", "m-2", "m-1"):
        push.push(message=message)
    assert [fact["attempt"] for fact in push.events("push_sent")] == [1, 2, 1, 3]


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"[]", b'{"token": 1}', b'{"token": "x", "message_id": "m", "conversation_id": "c"}', b"[" * 5000],
)
def test_what_is_no_push_is_refused(push: PushProvider, body: bytes) -> None:
    """400, and nothing is recorded."""
    assert push.http.post(f"{push.url}/v1/push", content=body).status_code == 400
    assert push.events("push_failed") == []


def test_tokens_and_texts_are_kept_nowhere(push: PushProvider) -> None:
    """Neither log nor events have the token, or a body that a careless backend sent along."""
    push.push(body="for bob's eyes only")
    kept = push.log.read_text() + push.recorded()
    assert BOB not in kept
    assert "eyes only" not in kept


def test_the_control_port_wants_its_token(push: PushProvider) -> None:
    """401 without, and no rule is put."""
    url = f"{push.control_url}/rules"
    assert push.http.get(url).status_code == 401
    assert push.http.put(f"{url}/r", json={"answer": "hang"}).status_code == 401
    assert push.push().status_code == 200


@pytest.mark.parametrize("rule", [{}, {"answer": "maybe"}, {"answer": "hang", "share": 2}, {"answer": "hang", "x": 1}])
def test_a_rule_that_is_none_is_refused(push: PushProvider, rule: dict[str, object]) -> None:
    """400 with a sentence."""
    refused = push.put_rule("r", **rule)
    assert refused.status_code == 400
    assert "error" in refused.json()


def test_it_ends_in_order(push: PushProvider) -> None:
    """SIGTERM: exit 0, and the history says that nothing was cut off."""
    push.process.send_signal(signal.SIGTERM)
    assert push.process.wait(5) == 0
    assert len(push.events("writer_closed")) == 1


def test_every_kind_says_what_it_answers() -> None:
    """The registry's answers are what rules take."""
    assert "throttled" in kinds()["unipush"].answers
