"""A finished, a killed and a foreign history each get an answer; a doubtful one never passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.events import Event
from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.judge import judge_events, judge_folder
from harness.scenario.stackfile import load_stack
from harness.testing.histories import HistoryBuilder, write_events

END_S = 60.0


def chat(*, lost: bool = False) -> HistoryBuilder:
    """A short chat, read back completely at the end; with ``lost`` the archive lacks what was acknowledged."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    message = builder.send("m", 2.0)
    builder.live(message, "bob/phone", 2.1).final_sync("alice/phone", "bob/phone")
    return builder.archive(["alice", "bob"], [] if lost else [message])


def closed(builder: HistoryBuilder) -> HistoryBuilder:
    """Every writer ends in order."""
    return builder.add("writer_closed", END_S).add("writer_closed", END_S, observer="engine")


def judged(folder: Path, events: list[Event], *, required: tuple[str, ...] = ("acked_never_lost",)) -> RunResult:
    """Judge a run folder with these events."""
    made = RunFolder.create(folder, "run")
    write_events(made.events, events)
    made.write_facts(facts(required), "")
    return judge_folder(made.path)


def facts(required: tuple[str, ...]) -> RunFacts:
    """What a run without faults on the reference stack would have written down."""
    return RunFacts(
        v=1,
        run="run",
        scenario="s",
        params={},
        source="s.chaos.yaml",
        seed=7,
        attempt=1,
        stack="reference",
        launcher="embedded",
        proxy="embedded",
        mutant=None,
        versions={},
        scenario_sha256="",
        promises={"durability": "process_crash", "order": "conversation", "deliver_within_s": 3.0},
        faults=(),
        required_checks=required,
        recover_within_s=10.0,
        replay="chat-chaos run s.chaos.yaml --seed 7",
    )


def codes(result: RunResult) -> set[str]:
    """Codes of the reasons."""
    return {reason.code for reason in result.reasons}


def test_a_finished_run_passes(tmp_path: Path) -> None:
    """Everything is on record, nothing is broken."""
    result = judged(tmp_path, closed(chat()).events())
    assert result.verdict is Verdict.PASS, result.reasons
    assert (result.counts.sent, result.counts.accepted) == (1, 1)


def test_a_lost_message_fails_it(tmp_path: Path) -> None:
    """The witness names the message and the missing step."""
    result = judged(tmp_path, closed(chat(lost=True)).events())
    assert result.verdict is Verdict.FAIL
    [check] = [one for one in result.checks if one.id == "acked_never_lost"]
    assert (check.witnesses[0].message_id, check.witnesses[0].missing_step) == ("s-m", "stored")


def test_a_killed_run_is_inconclusive(tmp_path: Path) -> None:
    """The same history without the engine's last word proves nothing."""
    result = judged(tmp_path, chat().events())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "cut_short" in codes(result)


def test_a_killed_run_with_a_violation_still_fails(tmp_path: Path) -> None:
    """What was found stays found."""
    assert judged(tmp_path, chat(lost=True).events()).verdict is Verdict.FAIL


def test_a_run_that_recorded_nothing_is_inconclusive(tmp_path: Path) -> None:
    """Killed before its first event: an answer, not a complaint."""
    result = judged(tmp_path, [])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert codes(result) == {"cut_short"}


def test_a_hole_in_the_record_is_an_error_and_voids_what_is_missing(tmp_path: Path) -> None:
    """With events lost, a message that is not there may only be missing from the record."""
    events = closed(chat(lost=True)).events()
    holed = [event for event in events if event.event != "recipient_online_delivered"]
    result = judged(tmp_path, holed)
    assert result.verdict is Verdict.ERROR
    assert "evidence_lost" in codes(result)


def test_a_required_check_that_the_stack_does_not_promise_keeps_it_from_passing(tmp_path: Path) -> None:
    """Asking for more than was promised is said, not skipped."""
    result = judged(tmp_path, closed(chat()).events(), required=("no_duplicates",))
    assert result.verdict is Verdict.INCONCLUSIVE


def test_bare_events_are_judged_against_a_stack(tmp_path: Path) -> None:
    """A history from elsewhere needs no run folder."""
    write_events(tmp_path, closed(chat(lost=True)).events())
    result = judge_events(sorted(tmp_path.glob("*.jsonl")), load_stack("reference"))
    assert result.verdict is Verdict.FAIL


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """The way out is named."""
    with pytest.raises(UsageError, match=r"no run\.json"):
        judge_folder(tmp_path)
