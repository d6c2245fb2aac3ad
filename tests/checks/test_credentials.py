"""token_validity: what was ended, and what was accepted with it all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.checks.oracles import Judged
from harness.testing.histories import HistoryBuilder

Judge = Callable[..., Judged]
PHONE = "alice/phone"


def kinds(found: Judged) -> list[tuple[str, str]]:
    """What was found, as kind and message."""
    return sorted((kind, message) for kind, message, _, _ in found.keys)


@pytest.mark.parametrize(("kind", "expected"), [("token.expire", "expired"), ("token.revoke", "revoked")])
def test_nothing_is_accepted_with_a_token_that_was_ended(verdict_on: Judge, kind: str, expected: str) -> None:
    """Sent after the confirmation with a token from before the command: it had to be refused."""
    builder = HistoryBuilder().online(PHONE).token(PHONE, "t1", 0.1).end_tokens("alice", 5.0, 5.1, kind=kind)
    builder.send("before", 4.0)
    builder.send("between", 5.05)
    builder.send("after", 5.2)
    assert kinds(verdict_on("token_validity", builder)) == [(expected, "c-after")]


def test_a_refused_attempt_with_an_ended_token_is_right(verdict_on: Judge) -> None:
    """And a message that is sent again with the next token may be accepted."""
    builder = HistoryBuilder().online(PHONE).token(PHONE, "t1", 0.1).end_tokens("alice", 5.0, 5.1)
    message = builder.send("m1", 5.2, answers=("fail",))
    builder.token(PHONE, "t2", 5.3, event="token_refreshed").attempt(message, 2, 5.4, "ok")
    assert verdict_on("token_validity", builder) == Judged(exercised=1)


@pytest.mark.parametrize("issued_s", [5.05, 6.0])
def test_tokens_from_after_the_command_are_good(verdict_on: Judge, issued_s: float) -> None:
    """Also one that came while the command was under way: it may have been made just after it took."""
    builder = HistoryBuilder().online(PHONE).end_tokens("alice", 5.0, 5.1).token(PHONE, "t2", issued_s)
    builder.send("m1", 7.0)
    assert verdict_on("token_validity", builder) == Judged(exercised=0)


def test_other_people_keep_their_tokens(verdict_on: Judge) -> None:
    """The command was about Bob."""
    builder = HistoryBuilder().online(PHONE).token(PHONE, "t1", 0.1).end_tokens("bob", 5.0, 5.1)
    builder.send("m1", 6.0)
    assert verdict_on("token_validity", builder) == Judged(exercised=0)


@pytest.mark.parametrize("event", ["token_expired", "token_rejected"])
def test_the_service_keeps_to_what_it_said(verdict_on: Judge, event: str) -> None:
    """A token that it refused once is not taken later."""
    builder = HistoryBuilder().online(PHONE).token(PHONE, "t1", 0.1)
    builder.add(event, 3.0, device=PHONE, credential_ref="t1").send("m1", 4.0)
    assert kinds(verdict_on("token_validity", builder)) == [("refused", "c-m1")]


@pytest.mark.parametrize(("sent_s", "broken"), [(10.9, False), (11.0, False), (11.2, True)])
def test_a_token_is_good_for_as_long_as_was_told(verdict_on: Judge, sent_s: float, broken: bool) -> None:
    """Ten seconds from second 0.1, and a second of grace."""
    builder = HistoryBuilder().online(PHONE).token(PHONE, "t1", 0.1, detail={"expires_in_s": 10.0})
    builder.send("m1", sent_s)
    assert kinds(verdict_on("token_validity", builder)) == ([("expired", "c-m1")] if broken else [])
    builder.fault("jump", 1.0, 20.0, kind="clock.server")
    assert not verdict_on("token_validity", builder).keys
