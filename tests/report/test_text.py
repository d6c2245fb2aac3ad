"""A finished run in words."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import structs

from harness.core.plan import ScenarioPlan
from harness.core.results import Reason, Witness
from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished, RunSkipped
from harness.report.style import Style
from harness.report.text import Detail, Judged, describe_run, describe_session, describe_skip, scenario_id, telling

Finished = Callable[..., RunFinished]
Planned = Callable[..., ScenarioPlan]

PLAIN = Style(enabled=False)


def judged(item: RunFinished, life: str = "") -> Judged:
    """What the console makes of a finished run."""
    return Judged(item.result, str(item.folder), item.elapsed_s, life)


def test_a_pass_is_one_line_that_says_what_it_rests_on(finished: Finished) -> None:
    """A pass names the checks, the messages and the fault that did bite."""
    [line] = describe_run(judged(finished()), PLAIN, Detail())
    assert line == ("PASS          bad-day  12.3 s, seed 7  1 checks over 41 messages; crash: recovered, 3 in flight")


def test_a_failure_shows_check_witness_life_and_replay(finished: Finished) -> None:
    """A person sees what broke, the sentence of the first witness, where the message died and how to see it again."""
    item = finished(Verdict.FAIL, mutant="ack_before_store")
    assert describe_run(judged(item, "+0.0 s  sent\n+0.1 s  crash"), PLAIN, Detail()) == [
        "FAIL          bad-day  12.3 s, seed 7, mutant ack_before_store",
        "  broken    acked_never_lost  1 of 40 examined",
        "            promised: What was acknowledged is stored, unaltered, and reaches every device of its audience",
        "            but alice's message c-1 was acknowledged and is absent from the oracle",
        "            during crash",
        "  fault     crash  process.kill on chat: recovered, 3 in flight",
        "",
        "+0.0 s  sent",
        "+0.1 s  crash",
        "",
        "  folder    runs/x",
        "  replay    chat-chaos run scenarios/bad-day.chaos.yaml --seed 7",
    ]


def test_an_inconclusive_run_names_the_gap(finished: Finished) -> None:
    """A fault that nothing met is named with the gap and the rung it reached."""
    lines = describe_run(judged(finished(Verdict.INCONCLUSIVE)), PLAIN, Detail())
    assert lines[1] == "  because   no traffic met the fault [not_felt]"
    assert lines[2] == "  fault     crash  process.kill on chat: not_felt (got as far as installed, 0 in flight)"


def test_quiet_leaves_the_verdict_line(finished: Finished) -> None:
    """With -q a failure is its verdict line and nothing else."""
    assert len(describe_run(judged(finished(Verdict.FAIL)), PLAIN, Detail(quiet=True))) == 1


def test_verbose_lists_every_check(finished: Finished) -> None:
    """With -v a pass lists each check with what it examined, and those that had nothing to look at."""
    lines = describe_run(judged(finished()), PLAIN, Detail(verbose=True))
    assert "  check     acked_never_lost: pass, 40 examined, required" in lines
    assert "  check     order: n/a, 0 examined" in lines


def test_verbose_tells_the_service_levels_that_were_bounded(finished: Finished) -> None:
    """A figure that nobody bounded is for the report; one that decided something is told."""
    bounded = {"id": "duplication", "verdict": "pass", "bound": 0.2, "note": "0.0% over 87 samples"}
    slos = (bounded, {"id": "send_success", "samples": 87})
    result = structs.replace(finished(Verdict.PASS).result, slos=slos)
    lines = describe_run(Judged(result), PLAIN, Detail(verbose=True))
    assert [line.split() for line in lines if "level" in line] == [
        ["level", "duplication:", "pass,", "0.0%", "over", "87", "samples"]
    ]


def test_colour_is_only_around_the_words(finished: Finished) -> None:
    """With colour the text is the same once the escape codes are taken out."""
    item = finished(Verdict.FAIL)
    coloured = describe_run(judged(item), Style(enabled=True), Detail())
    assert coloured[0].startswith("\x1b[31;1mFAIL")
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == describe_run(judged(item), PLAIN, Detail())


def test_the_session_is_counted_worst_first(finished: Finished) -> None:
    """The closing lines count the verdicts, worst first, and show what nobody judged."""
    results = [finished().result, finished(Verdict.FAIL, not_judged=("push_content",)).result]
    assert describe_session(results, 1, 1, PLAIN) == [
        "2 runs: 1 fail, 1 pass, 1 skipped  (exit 1)",
        "not judged, because the stack does not promise it: push_content",
    ]


def test_what_cannot_be_played_is_named_with_its_reason(plan: Planned) -> None:
    """An unsupported scenario has a line of its own."""
    assert describe_skip(RunSkipped(plan(), "needs push"), PLAIN) == ["SKIPPED       bad-day  needs push"]


def test_a_matrix_entry_is_part_of_the_name(plan: Planned, finished: Finished) -> None:
    """Entries of a matrix are told apart as in the plan, also when only the result is at hand."""
    item = finished(plan=plan(cut="1s"))
    assert scenario_id(item.result) == item.plan.id == "bad-day[cut=1s]"


def test_bare_events_have_neither_scenario_nor_seed(finished: Finished) -> None:
    """A history that somebody else recorded is called what it is."""
    result = structs.replace(finished(Verdict.FAIL).result, scenario="", seed=0)
    assert describe_run(Judged(result), PLAIN, Detail(quiet=True)) == ["FAIL          events"]


def test_doubts_behind_an_error_are_counted_not_told(finished: Finished) -> None:
    """What broke the surroundings comes first; what could not be judged because of it is only counted, but for -v."""
    reasons = (
        Reason(code="environment", text="the port is taken\nend its owner", verdict=Verdict.ERROR),
        Reason(code="not_exercised", check="order", text="nothing to look at", verdict=Verdict.INCONCLUSIVE),
    )
    item = finished(Verdict.ERROR, reasons=reasons)
    assert describe_run(judged(item), PLAIN, Detail())[1:4] == [
        "  because   the port is taken\n            end its owner [environment]",
        "            and 1 doubt(s) that follow from it (-v shows them)",
        "  fault     crash  process.kill on chat: recovered, 3 in flight",
    ]
    assert "nothing to look at [not_exercised]" in describe_run(judged(item), PLAIN, Detail(verbose=True))[2]


def test_a_witness_under_a_fault_is_shown_first() -> None:
    """Of many lost messages the one that a fault passed over says most about the cause."""
    early, struck = Witness(text="early"), Witness(text="struck", faults=("crash",))
    assert telling([early, struck]) == [struck, early]
