"""client_holds and client_order: what a client program of the user's is good for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.checks.oracles import Judged
from harness.testing.histories import HistoryBuilder

Judge = Callable[..., Judged]
ALICE = "alice/phone"


def kinds(found: Judged) -> set[str]:
    """The ways in which it was broken."""
    return {kind for kind, _, _, _ in found.keys}


def sent() -> HistoryBuilder:
    """One message, accepted."""
    builder = HistoryBuilder().online(ALICE, "bob/phone")
    builder.acknowledge(builder.send("m1", 1.0), 1.1)
    return builder


def test_a_client_that_settles_what_it_was_given_holds(verdict_on: Judge) -> None:
    """The message counts as examined."""
    found = verdict_on("client_holds", sent(), client="none")
    assert (found.exercised, found.keys) == (1, frozenset())


def test_a_forgotten_message_is_found(verdict_on: Judge) -> None:
    """Also one that was never tried, which has no attempt."""
    builder = sent().add(
        "client_send_failed",
        9.0,
        device=ALICE,
        op="m2",
        client_message_id="m2",
        outcome="unknown",
        error_code="forgotten",
    )
    assert verdict_on("client_holds", builder, client="none").keys == {("forgotten", "m2", "", ALICE)}


@pytest.mark.parametrize("code", ["ended", "silent", "bad_line"])
def test_a_broken_client_is_found(verdict_on: Judge, code: str) -> None:
    """Each way in its own right."""
    builder = sent().add("client_broken", 5.0, device=ALICE, error_code=code, detail={"what": "it ended"})
    assert kinds(verdict_on("client_holds", builder, client="none")) == {code}


@pytest.mark.parametrize("client", ["outbox", "naive"])
def test_our_own_clients_are_not_judged_by_it(verdict_on: Judge, client: str) -> None:
    """There is nothing of the user's to look at."""
    builder = sent().add("client_broken", 5.0, device=ALICE, error_code="ended")
    assert verdict_on("client_holds", builder, client=client) == Judged(exercised=0)


def test_retries_of_a_client_program_are_judged(verdict_on: Judge) -> None:
    """Under another id the service could not know that it is the same message."""
    builder = sent()
    message = builder.send("m2", 2.0)
    builder.attempt(message, 2, 3.0, None)
    builder.add(
        "client_send_started",
        4.0,
        device=ALICE,
        op="c-m2",
        attempt=3,
        client_message_id="m2-b",
        sender="alice",
        recipient="bob",
        conversation_id=message.conversation_id,
    )
    assert "client_new_id" in kinds(verdict_on("retry_policy", builder, client="none"))
    assert verdict_on("retry_policy", builder, client="outbox").exercised == 0


def overtaking(settled_s: float | None) -> HistoryBuilder:
    """The second message stands first in the archive; the first one was acknowledged at that time."""
    builder = HistoryBuilder().online(ALICE, "bob/phone")
    first = builder.send("m1", 1.0, answers=(None,), seq=2)
    second = builder.send("m2", 2.0, seq=1)
    if settled_s is not None:
        builder.acknowledge(first, settled_s)
    return builder.archive("alice", [first, second])


@pytest.mark.parametrize("settled_s", [3.0, None])
def test_a_message_that_overtakes_is_found(verdict_on: Judge, settled_s: float | None) -> None:
    """It left while the one before was not settled."""
    found = verdict_on("client_order", overtaking(settled_s), client="none")
    assert (found.exercised, kinds(found)) == (2, {"overtaken"})


def test_what_the_service_reorders_is_not_the_clients_doing(verdict_on: Judge) -> None:
    """The first was acknowledged before the second left: see the check of the service's order."""
    assert not verdict_on("client_order", overtaking(1.5), client="none").keys
