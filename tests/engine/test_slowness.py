"""A slow or deaf link is felt in how long people waited, behind a proxy that counts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.core.plan import FaultPlan, Start
from harness.engine.ladder import climb
from harness.engine.slowness import noticeable
from harness.history.ingest import open_history
from harness.testing.histories import HistoryBuilder, at_ns, write_events

ALICE, BOB, AUTH = "client:alice->chat", "client:bob->chat", "client:alice->auth"
BEGAN_S, UNDONE_S, HEALED_S = 10.0, 14.0, 14.2


def chat() -> HistoryBuilder:
    """Alice and Bob, each on a link of their own, and a healthy minute before the fault."""
    builder = HistoryBuilder()
    for device, link in (("alice/phone", ALICE), ("bob/phone", BOB)):
        builder.add("person_online", 0.0, device=device)
        builder.add("connection_opened", 0.0, device=device, connection=device, link=link)
    for number in range(5):
        exchange(builder, f"before-{number}", 5.0 + number / 10, answered_after=0.01, seen_after=0.01)
    return builder


def exchange(
    builder: HistoryBuilder, name: str, at_s: float, *, answered_after: float | None, seen_after: float | None
) -> None:
    """Alice writes to Bob; None: no answer, or no delivery, until the fault is over."""
    message = builder.send(name, at_s, answers=())
    builder.attempt(message, 1, at_s, None)
    accepted_s = at_s + answered_after if answered_after is not None else HEALED_S + 1
    builder.acknowledge(message, accepted_s)
    builder.live(message, "bob/phone", accepted_s + seen_after if seen_after is not None else HEALED_S + 1)


def gap(folder: Path, builder: HistoryBuilder, link: str, kind: str, params: Mapping[str, float]) -> str | None:
    """Judge one fault whose proxy counted nothing."""
    for event, at_s, detail in (
        ("fault_commanded", BEGAN_S, {"began_ns": at_ns(BEGAN_S)}),
        ("fault_installed", BEGAN_S, {}),
        ("fault_healed", HEALED_S, {"undoing_ns": at_ns(UNDONE_S)}),
    ):
        builder.add(event, at_s, fault="f", link=link, observer="engine", detail={"kind": kind, **detail})
    write_events(folder, builder.events())
    with open_history([folder]) as history:
        [result] = climb(history, [FaultPlan("f", kind, link, Start(at_s=1.0), 4.0, params=dict(params))], [])
    return result.gap


@pytest.mark.parametrize(
    ("answered_after", "expected"), [(0.3, None), (0.02, "not_felt")], ids=["slower", "as fast as ever"]
)
def test_latency_shows_in_answers(tmp_path: Path, answered_after: float, expected: str | None) -> None:
    """Answers that take longer by what the link had to add are the evidence; answers as fast as ever are none."""
    builder = chat()
    for number in range(3):
        exchange(builder, f"m{number}", BEGAN_S + 0.5 + number, answered_after=answered_after, seen_after=0.01)
    assert gap(tmp_path, builder, ALICE, "network.latency", {"latency": 0.4, "jitter": 0.1}) == expected


def test_one_slow_answer_among_many_is_a_busy_machine(tmp_path: Path) -> None:
    """The median decides, so that a hiccup is not taken for the fault."""
    builder = chat()
    for number in range(5):
        slow = 0.5 if number == 2 else 0.01
        exchange(builder, f"m{number}", BEGAN_S + 0.5 + number / 2, answered_after=slow, seen_after=0.01)
    assert gap(tmp_path, builder, ALICE, "network.latency", {"latency": 0.4, "jitter": 0.0}) == "not_felt"


def test_a_receiver_who_sends_nothing_feels_it_too(tmp_path: Path) -> None:
    """What Bob receives crosses his slow link once, so half of the gain is what he waits."""
    builder = chat()
    for number in range(3):
        exchange(builder, f"m{number}", BEGAN_S + 0.5 + number, answered_after=0.01, seen_after=0.2)
    assert gap(tmp_path, builder, BOB, "network.latency", {"latency": 0.4, "jitter": 0.0}) is None


@pytest.mark.parametrize("kind", ["network.blackhole", "network.downstream_blackhole", "network.upstream_blackhole"])
def test_silence_is_felt_before_any_time_out(tmp_path: Path, kind: str) -> None:
    """A question that has no answer when the fault is undone has waited for as long as the fault let it."""
    builder = chat()
    exchange(builder, "m", BEGAN_S + 1, answered_after=None, seen_after=0.01)
    assert gap(tmp_path, builder, ALICE, kind, {}) is None


def test_a_question_asked_at_the_last_moment_proves_nothing(tmp_path: Path) -> None:
    """It had no time to wait, whatever became of it."""
    builder = chat()
    exchange(builder, "m", UNDONE_S - 0.1, answered_after=None, seen_after=0.01)
    assert gap(tmp_path, builder, ALICE, "network.blackhole", {}) == "not_felt"


def test_what_the_undo_breaks_is_no_effect(tmp_path: Path) -> None:
    """Toxiproxy ends connections when it removes a timeout toxic: those would end without any traffic, too."""
    builder = chat()
    builder.add("connection_lost", UNDONE_S + 0.05, device="alice/phone", connection="alice/phone", link=ALICE)
    assert gap(tmp_path, builder, ALICE, "network.blackhole", {}) == "not_felt"


def test_waiting_for_a_new_token_counts(tmp_path: Path) -> None:
    """A refresh without an answer shows that the log-in is deaf (no message was at stake); one answered does not."""
    builder = chat()
    facts = {"device": "alice/phone", "link": AUTH}
    builder.add("token_issued", 0.1, **facts)
    builder.add("token_refresh_started", BEGAN_S + 1, **facts).add("token_refreshed", BEGAN_S + 1.01, **facts)
    assert gap(tmp_path / "fast", builder, AUTH, "network.downstream_blackhole", {}) == "not_felt"
    builder.add("token_refresh_started", BEGAN_S + 2, **facts).add("token_refresh_failed", UNDONE_S + 1, **facts)
    builder.add("token_refresh_started", BEGAN_S + 2.5, **facts).add("token_refresh_failed", UNDONE_S + 1.5, **facts)
    assert gap(tmp_path / "deaf", builder, AUTH, "network.downstream_blackhole", {}) == "vacuous"


@pytest.mark.parametrize(
    ("kind", "params", "enough"),
    [
        ("network.latency", {"latency": 0.3, "jitter": 0.1}, True),
        ("network.latency", {"latency": 0.06, "jitter": 0.05}, False),
        ("network.bandwidth", {"per_second": 1000}, True),
        ("network.bandwidth", {"per_second": 1_000_000}, False),
        ("network.slicing", {"size": 16, "pause": 0.05}, True),
        ("network.slicing", {"size": 1024, "pause": 0.05}, False),
        ("network.blackhole", {}, True),
        ("network.down", {}, False),
    ],
)
def test_what_people_must_notice(kind: str, params: dict[str, float], enough: bool) -> None:
    """A fault that adds less than a busy machine does cannot be proven by waiting; one that cuts is felt otherwise."""
    assert noticeable(FaultPlan("f", kind, ALICE, Start(), None, params=params)) is enough
