"""Each seeded defect of the push worker shows when a push fails, and only then."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from harness.reference.push import MAX_ATTEMPTS
from harness.testing.reference_chat import ReferenceChat

Start = Callable[..., ReferenceChat]

MUTANTS = (
    "push_token_kept",
    "push_token_dropped_on_throttle",
    "retry_without_backoff",
    "push_not_retried",
    "push_failure_fails_message",
)

IN_BOTH_FORMS = True


def pushing(start: Start, provider: Any, mutant: str) -> tuple[ReferenceChat, str]:
    """Start a chat with a defect and a person ``bob`` with a push token; return it and bob's login token."""
    chat = start(mutant=mutant, PUSH=provider.url)
    token = chat.login("bob")["token"]
    chat.ask("PUT", "push-token", token, {"token": "up.bob"})
    return chat, token


def settled(chat: ReferenceChat) -> dict[str, int]:
    """Wait until no push is left to be made, and return what the control port tells of push tokens."""
    end = time.monotonic() + 10
    while (counts := chat.control("GET", "push-tokens"))["jobs"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    return counts


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_push_that_is_taken_is_like_the_healthy_services(start: Start, provider: Any, mutant: str) -> None:
    """One push a message, the token kept, the messages there."""
    chat, token = pushing(start, provider, mutant)
    alice = chat.device("alice")
    ids = [alice.say("bob", f"{number}")["message_id"] for number in range(2)]
    assert [push["message_id"] for push in provider.wait(2, "up.bob")] == ids
    assert settled(chat) == {"registered": 1, "dropped": 0, "jobs": 0}
    assert [item["message_id"] for item in chat.connect(token).feed()] == ids


def test_push_token_kept_after_unregistered(start: Start, provider: Any) -> None:
    """The next message is pushed to the token that is gone."""
    chat, _ = pushing(start, provider, "push_token_kept")
    provider.script["up.bob"] = [(410, "")]
    alice = chat.device("alice")
    for sent in (1, 2):
        alice.say("bob", "x")
        provider.wait(sent, "up.bob")
        assert settled(chat)["registered"] == 1


def test_push_token_dropped_on_throttle(start: Start, provider: Any) -> None:
    """One busy moment of the provider costs the device its token."""
    chat, _ = pushing(start, provider, "push_token_dropped_on_throttle")
    provider.script["up.bob"] = [(429, "1"), (200, "")]
    chat.device("alice").say("bob", "x")
    provider.wait(1, "up.bob")
    assert settled(chat) == {"registered": 0, "dropped": 1, "jobs": 0}


def test_retry_without_backoff_hammers(start: Start, provider: Any) -> None:
    """All attempts are made at once, although the provider asked for three seconds of quiet."""
    chat, _ = pushing(start, provider, "retry_without_backoff")
    provider.script["up.bob"] = [(429, "3")]
    chat.device("alice").say("bob", "x")
    provider.wait(MAX_ATTEMPTS, "up.bob")
    assert max(later - earlier for earlier, later in pairwise(provider.of("up.bob"))) < 1
    settled(chat)
    assert len(provider.of("up.bob")) == MAX_ATTEMPTS


@pytest.mark.parametrize("answer", [(429, "1"), (503, "")])
def test_push_not_retried(start: Start, provider: Any, answer: tuple[int, str]) -> None:
    """A push that could have been taken later is given up."""
    chat, _ = pushing(start, provider, "push_not_retried")
    provider.script["up.bob"] = [answer, (200, "")]
    chat.device("alice").say("bob", "x")
    provider.wait(1, "up.bob")
    settled(chat)
    assert len(provider.of("up.bob")) == 1


@pytest.mark.parametrize("answer", [(503, ""), (410, "")])
def test_push_failure_fails_message(start: Start, provider: Any, answer: tuple[int, str]) -> None:
    """An acknowledged message is gone from everybody's feed once its push has failed; others stay."""
    chat, token = pushing(start, provider, "push_failure_fails_message")
    alice = chat.device("alice")
    provider.script["up.bob"] = [answer, (200, "")]
    assert alice.say("bob", "lost")["type"] == "ack"
    provider.wait(1, "up.bob")
    settled(chat)
    kept = alice.say("bob", "kept")["message_id"]
    assert [item["message_id"] for item in alice.feed()] == [kept]
    assert [item["message_id"] for item in chat.connect(token).feed()] == [kept]
