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


def renewing(*spans: tuple[float, float]) -> HistoryBuilder:
    """Refreshes of one device, each from its beginning to its answer."""
    builder = HistoryBuilder().online(PHONE).token(PHONE, "t1", 0.1)
    for number, (from_s, to_s) in enumerate(spans, start=2):
        builder.add("token_refresh_started", from_s, device=PHONE, credential_ref="t1", attempt=1)
        builder.token(PHONE, f"t{number}", to_s, event="token_refreshed")
    return builder


@pytest.mark.parametrize(
    ("spans", "expected"), [(((3.0, 3.1), (4.0, 4.1)), []), (((3.0, 3.2), (3.1, 3.3)), [("stampede", "")])]
)
def test_one_refresh_serves_all(
    verdict_on: Judge, spans: tuple[tuple[float, float], ...], expected: list[tuple[str, str]]
) -> None:
    """Two at once are one too many; the clients of the harness itself are not on trial."""
    builder = renewing(*spans)
    found = verdict_on("refresh_discipline", builder, client="naive")
    assert (found.exercised, kinds(found)) == (2, expected)
    assert verdict_on("refresh_discipline", builder) == Judged(exercised=0)


def test_a_refresh_that_failed_is_over(verdict_on: Judge) -> None:
    """The next one does not overlap with it."""
    builder = HistoryBuilder().online(PHONE).add("token_refresh_started", 3.0, device=PHONE)
    builder.add("token_refresh_failed", 3.1, device=PHONE).add("token_refresh_started", 3.2, device=PHONE)
    assert not verdict_on("refresh_discipline", builder, client="naive").keys


@pytest.mark.parametrize(("failed_s", "twice"), [(3.4, False), (3.6, True), (None, True)])
def test_a_message_is_sent_again_once(verdict_on: Judge, failed_s: float | None, twice: bool) -> None:
    """After the refresh at 3.1 a second attempt at 3.5 is right only when the first had failed by then."""
    builder = renewing((3.0, 3.1))
    message = builder.send("m1", 3.2, answers=(None,))
    if failed_s is not None:
        builder.refuse(message, failed_s)
    builder.attempt(message, 2, 3.5, "ok")
    found = verdict_on("refresh_discipline", builder, client="naive")
    assert kinds(found) == ([("sent_twice", "c-m1")] if twice else [])
