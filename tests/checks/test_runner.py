"""From what a check finds to its result: verdicts, notes, witnesses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.checks.catalogue import Check, checks, parse_check
from harness.checks.runner import MAX_WITNESSES, run_checks
from harness.core.errors import UsageError
from harness.core.results import CheckResult
from harness.core.stack import Promises
from harness.core.verdicts import Verdict
from harness.history.ingest import History, open_history
from harness.testing.histories import HistoryBuilder

PEOPLE = ("alice", "bob")
DEVICES = ("alice/phone", "bob/phone")
COUNT_SENDS = """-- title: Nobody sends
-- promise: always
-- needs: client_send_started
-- exercised
select count(*) from sends;
-- violations
select client_message_id, message_id, conversation_id, device, started_ns as mono_ns,
       'a' as last_step, 'b' as missing_step, 'somebody sent' as text
from sends
"""


def history_of(builder: HistoryBuilder, folder: Path) -> History:
    """Write and read a built history."""
    return open_history([builder.write(folder / "events")])


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Two messages, sent once each, stored and received."""
    builder = HistoryBuilder().online(*DEVICES)
    messages = [builder.send(name, at_s) for name, at_s in (("m1", 2.0), ("m2", 3.0))]
    for message in messages:
        builder.live(message, "bob/phone", message.answered_s + 0.01)
    with history_of(
        builder.final_sync(*DEVICES).archive(PEOPLE, messages), tmp_path_factory.mktemp("healthy")
    ) as history:
        yield history


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Eight messages lost in a crash and one that a device missed later, without any fault."""
    builder = HistoryBuilder().online(*DEVICES).fault("crash", 3.0, 4.0, kind="process.kill")
    for number in range(8):
        builder.send(f"lost{number}", 2.5 + number / 10)
    missed = builder.send("missed", 15.0)
    with history_of(
        builder.final_sync(*DEVICES).archive(PEOPLE, [missed]), tmp_path_factory.mktemp("broken")
    ) as history:
        yield history


def one(results: list[CheckResult], check: str) -> CheckResult:
    """The result of one check."""
    return next(result for result in results if result.id == check)


def test_a_healthy_history_passes_what_it_exercises(healthy: History, promises: Promises) -> None:
    """Every check gives a result; those with nothing to look at have no verdict and say why."""
    results = run_checks(healthy, promises, ["acked_never_lost"])
    assert [result.id for result in results] == [name for name, check in checks().items() if check.reads == "history"]
    assert one(results, "acked_never_lost").verdict is Verdict.PASS
    unexercised = one(results, "no_duplicates")
    assert (unexercised.verdict, unexercised.exercised) == (None, 0)
    assert "0 of at least 1" in unexercised.note


def test_a_required_check_that_examined_nothing_is_inconclusive(healthy: History, promises: Promises) -> None:
    """Nothing was refused, so nothing is known about what happens to refused messages."""
    result = one(run_checks(healthy, promises, ["refused_never_stored"]), "refused_never_stored")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.note == "the history has no client_send_failed"


def test_a_required_check_with_undecided_items_is_inconclusive(tmp_path: Path, promises: Promises) -> None:
    """A device did not finish its final sync: what it lacks is not known."""
    builder = HistoryBuilder().online(*DEVICES)
    message = builder.send("m1", 2.0)
    with history_of(builder.archive(PEOPLE, [message]), tmp_path) as history:
        required = one(run_checks(history, promises, ["acked_never_lost"]), "acked_never_lost")
        by_the_way = one(run_checks(history, promises, []), "acked_never_lost")
    assert (required.verdict, required.undecided) == (Verdict.INCONCLUSIVE, 1)
    assert by_the_way.verdict is Verdict.PASS


def test_what_is_not_promised_is_not_judged(broken: History) -> None:
    """A stack without promises breaks none, and the result says so."""
    result = one(run_checks(broken, Promises(), []), "acked_never_lost")
    assert (result.verdict, result.not_judged) == (None, True)
    assert result.note == "the stack does not promise durability: process_crash or power_loss"


def test_witnesses_show_each_cause_and_its_faults(broken: History, promises: Promises) -> None:
    """Eight losses do not hide the one gap; each witness has the faults that its message lived through."""
    result = one(run_checks(broken, promises, []), "acked_never_lost")
    assert (result.verdict, result.violations, len(result.witnesses)) == (Verdict.FAIL, 9, MAX_WITNESSES)
    found = {(witness.missing_step, witness.faults) for witness in result.witnesses}
    assert found == {("stored", ("crash",)), ("recipient_synced", ())}
    lost = result.witnesses[0]
    assert lost.text == (
        "message s-lost0 from alice/phone to bob was acknowledged at 2.510 s"
        " and is missing from the complete archive of alice and bob."
    )


def test_a_message_that_vanished_later_names_the_next_fault(tmp_path: Path, promises: Promises) -> None:
    """Acknowledged in peace at second 2, erased by a crash at second 8; the fault of second 15 came after that."""
    builder = HistoryBuilder().online(*DEVICES).fault("crash", 8.0, 9.0).fault("cut", 15.0, 16.0)
    builder.send("m1", 2.0)
    with history_of(builder.final_sync(*DEVICES).archive(PEOPLE, []), tmp_path) as history:
        result = one(run_checks(history, promises, []), "acked_never_lost")
    assert result.witnesses[0].faults == ("crash",)


@pytest.mark.parametrize(
    ("back_s", "told"), [(2.5, ", at 3.020 s, 520 ms after that had opened."), (1.5, ", at 3.020 s.")]
)
def test_what_overtook_on_a_return_is_told_apart(tmp_path: Path, promises: Promises, back_s: float, told: str) -> None:
    """A device that comes back is told what was kept for it and what is new at the same time: there it mixes up."""
    builder = HistoryBuilder().online(*DEVICES).lose("bob/phone", 1.0).connect("bob/phone", back_s)
    first, second = builder.send("m1", 2.0), builder.send("m2", 3.0)
    builder.live(second, "bob/phone", 3.02).live(first, "bob/phone", 3.05).archive(PEOPLE, [first, second])
    with history_of(builder, tmp_path) as history:
        [witness] = one(run_checks(history, promises, []), "order").witnesses
    assert witness.text.endswith(f"got it first on one live connection{told}")


@pytest.mark.parametrize(("minimum", "verdict"), [(2, Verdict.PASS), (3, Verdict.INCONCLUSIVE)])
def test_the_minimum_of_a_check_is_asked_of_a_required_one(
    healthy: History, promises: Promises, minimum: int, verdict: Verdict
) -> None:
    """Two sends are enough for a minimum of two only."""
    text = COUNT_SENDS.replace("from sends\n", "from sends where false\n").replace(
        "-- needs", f"-- minimum: {minimum}\n-- needs"
    )
    catalogue = {"own": parse_check("own", text)}
    assert run_checks(healthy, promises, ["own"], catalogue=catalogue)[0].verdict is verdict


def test_a_check_of_a_users_own_counts(healthy: History, promises: Promises) -> None:
    """A check without kinds is judged like those that come with the harness."""
    result = run_checks(healthy, promises, [], catalogue={"own": parse_check("own", COUNT_SENDS)})[0]
    assert (result.verdict, result.exercised, result.violations) == (Verdict.FAIL, 2, 2)
    assert result.witnesses[0].text == "somebody sent"


@pytest.mark.parametrize("flaw", ["select 1 as text", "select * from nowhere", "not even sql"])
def test_a_check_that_cannot_be_run_is_an_error_with_a_note(healthy: History, promises: Promises, flaw: str) -> None:
    """Wrong SQL spoils its own result and no other."""
    text = COUNT_SENDS[: COUNT_SENDS.rindex("select client")] + flaw
    own: dict[str, Check] = {"own": parse_check("own", text), **checks()}
    results = run_checks(healthy, promises, [], catalogue=own)
    assert results[0].verdict is Verdict.ERROR
    assert results[0].note.startswith("own could not be run: ")
    assert one(results, "acked_never_lost").verdict is Verdict.PASS


def test_an_unknown_required_check_is_refused_with_a_suggestion(healthy: History, promises: Promises) -> None:
    """A misspelt name must not silently require nothing."""
    with pytest.raises(UsageError, match="did you mean no_duplicates"):
        run_checks(healthy, promises, ["no_duplicate"])


def test_checks_can_be_run_twice_over_one_history(broken: History, promises: Promises) -> None:
    """Judging leaves nothing behind that changes the next judgement."""
    assert run_checks(broken, promises, []) == run_checks(broken, promises, [])
