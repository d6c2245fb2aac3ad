"""From files and folders to plans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import NothingSelected, UsageError
from harness.core.plan import (
    DirectWorkload,
    FaultPlan,
    LoadPlan,
    LoadStep,
    MixPlan,
    OfflineWorkload,
    ScenarioPlan,
    Start,
)
from harness.scenario.diagnostics import BadFile
from harness.scenario.load import SHAPES
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack

Load = Callable[..., list[ScenarioPlan]]
Change = Callable[[str, str], str]


def test_a_plan_has_everything_resolved(load: Load, scenario: str) -> None:
    """Units are seconds, defaults are filled in, the source and its line are known."""
    (plan,) = load(scenario)
    assert plan.id == "bad-day"
    assert (plan.source, plan.line, plan.text) == ("bad.chaos.yaml", 2, scenario)
    assert plan.people[0].device_ids == ("alice/phone", "alice/laptop")
    assert plan.workloads == (DirectWorkload("alice", "bob", 5.0),)
    assert plan.phases.total_s == 8.0
    assert plan.faults == (FaultPlan("cut", "network.down", "client:alice->chat", Start(at_s=1.0), 1.0),)
    assert plan.fault_people == {"alice"}
    assert plan.recover_within_s == 10.0


def test_expectations_go_to_their_faults(load: Load, scenario: str) -> None:
    """What a fault must have touched stands beside the fault in the plan."""
    extra = (
        "expect:\n  checks: [order]\n  slo: {recover_within: 3s}\n  catches: {ack_before_store: acked_never_lost}\n"
        "  faults: {cut: {min_exposed: 3, must_see: [client_retry_scheduled]}}\n"
    )
    (plan,) = load(scenario + extra)
    assert (plan.faults[0].min_exposed, plan.faults[0].must_see) == (3, ("client_retry_scheduled",))
    assert plan.required_checks == ("order",)
    assert plan.catches == {"ack_before_store": "acked_never_lost"}
    assert plan.recover_within_s == 3.0


def test_parameters_of_a_fault_are_plain_numbers(load: Load, change: Change) -> None:
    """Durations become seconds and what is not given has its default."""
    (plan,) = load(change("network.down, ", "network.latency, latency: 300ms, "))
    assert plan.faults[0].params == {"latency": 0.3, "jitter": 0.0}


def test_a_crowd_becomes_people(load: Load, change: Change) -> None:
    """A crowd of three is three people with the crowd's devices; each can be named."""
    text = change("  bob: {devices: [phone]}", "  bob: {}\n  crowd: {count: 3, devices: [tablet]}")
    (plan,) = load(text.replace("to: bob", "to: crowd-2"))
    assert [person.name for person in plan.people] == ["alice", "bob", "crowd-1", "crowd-2", "crowd-3"]
    assert plan.people[2].device_ids == ("crowd-1/tablet",)


def test_offline_workloads(load: Load, change: Change) -> None:
    """A device's absence has its times in seconds."""
    (plan,) = load(change("phases:", "  - {kind: offline, device: bob/phone, at: 500ms, for: 2s}\nphases:"))
    assert plan.workloads[1] == OfflineWorkload("bob/phone", 0.5, 2.0)


def test_load_is_part_of_the_plan_and_not_in_force(load: Load, scenario: str) -> None:
    """Units are resolved and holds spelled out; the people stay the file's until the load command says otherwise."""
    (plan,) = load(f"{scenario}load: {{people: 2000, rate: 500/s, shape: [{{to: 100%, over: 20s}}, {{hold: 2m}}]}}\n")
    assert plan.load == LoadPlan(2000, 500.0, (LoadStep(1.0, 20.0), LoadStep(1.0, 120.0)), 5.0, 0.05)
    assert (plan.crowd, len(plan.people)) == (None, 2)


def test_without_a_shape_a_hundred_come_each_second(load: Load, scenario: str) -> None:
    """People and rate are enough."""
    (plan,) = load(f"{scenario}load: {{people: 50, rate: 30/m, warmup: 0s, max_lag_p99: 1s}}\n")
    assert plan.load == LoadPlan(50, 0.5, (LoadStep(1.0, 0.5),), 0.0, 1.0, arrivals_per_s=100.0)


def test_a_mix_and_a_shape_by_name(load: Load, scenario: str) -> None:
    """Bare shares stand for mappings, a hot group is everybody's, and arrivals say how fast all come."""
    mix = "{group: 20%, hot: {share: 1%, writers: 2}, away: {share: 10%, for: 3s}}"
    (plan,) = load(
        f"{scenario}load: {{people: 300, rate: 5/s, arrivals: 50/s, shape: soak, mix: {mix}, duration: 9h}}\n"
    )
    assert plan.load is not None
    assert plan.load.shape == (LoadStep(1.0, 6.0), LoadStep(1.0, 8 * 3600.0))
    assert plan.load.total_s == 9 * 3600.0
    assert plan.load.mix == MixPlan(0.2, 8, 0.01, 300, 2, 0.1, 3.0)


@pytest.mark.parametrize("name", SHAPES)
def test_each_named_shape_begins_with_people(load: Load, scenario: str, name: str) -> None:
    """Every one can be played: people come first, and no step takes no time."""
    (plan,) = load(f"{scenario}load: {{people: 300, rate: 5/s, shape: {name}}}\n")
    assert plan.load is not None
    assert plan.load.shape[0].share > 0
    assert all(step.over_s > 0 for step in plan.load.shape)


@pytest.mark.parametrize(
    ("load_section", "said"),
    [
        ("{people: 2000}", "'rate' is missing in load"),
        ("{people: 1, rate: 5/s}", "1 is too small: at least 2"),
        ("{people: 9, rate: 5/s, shape: [{hold: 2m}]}", "must bring people"),
        ("{people: 9, rate: 5/s, shape: [{to: 0%, over: 1s}]}", "must bring people"),
        ("{people: 9, rate: 5/s, shape: [{to: 100%}]}", "either 'to' and 'over' or only 'hold'"),
        ("{people: 9, rate: 5/s, poeple: 3}", "unknown key 'poeple'"),
        ("{people: 9, rate: 5/s, shape: spkie}", "'spkie' is not possible here"),
        ("{people: 9, rate: 5/s, shape: [{to: 100%, ovr: 1s}]}", "unknown key 'ovr' in load.shape 1"),
        ("{people: 9, rate: 5/s, mix: {grop: 10%}}", "unknown key 'grop' in load.mix"),
        ("{people: 9, rate: 5/s, mix: {hot: {share: 1%, writer: 1}}}", "unknown key 'writer' in load.mix.hot"),
        ("{people: 9, rate: 5/s, mix: {group: lots}}", "lots"),
        ("{people: 9, rate: 5/s, mix: {group: 80%, hot: 30%}}", "come to 110% of the messages"),
        ("{people: 9, rate: 5/s, mix: {direct: 50%, group: 20%}}", "come to 70% of the messages"),
        ("{people: 9, rate: 5/s, mix: {hot: {share: 1%, members: 10}}}", "has 10 members, and there are 9 people"),
        ("{people: 9, rate: 5/s, mix: {hot: {share: 1%, writers: 10}}}", "10 write in the hot group"),
        ("{people: 9, rate: 5/s, mix: {group: {share: 1%, size: 20}}}", "a group has 20 people, and there are 9"),
        ("{people: 9, rate: 5/s, mix: {away: 95%}}", "at most 90% of the people can be away"),
    ],
)
def test_a_load_that_cannot_be_is_told_with_its_place(load: Load, scenario: str, load_section: str, said: str) -> None:
    """Nothing else of the file is blamed for it."""
    with pytest.raises(BadFile) as told:
        load(f"{scenario}load: {load_section}\n")
    (diagnostic,) = told.value.diagnostics
    assert said in diagnostic.text
    assert diagnostic.line == len(scenario.splitlines()) + 1


def test_a_byte_order_mark_is_no_mistake(load: Load, scenario: str) -> None:
    """Some editors write one; columns stay right."""
    (plan,) = load(b"\xef\xbb\xbf" + scenario.encode())
    assert plan.line == 2


def test_folders_are_searched_and_each_file_is_taken_once(tmp_path: Path, scenario: str) -> None:
    """Folders give their ``*.chaos.yaml`` files in order; naming one again does not load it twice."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.chaos.yml").write_text(scenario.replace("bad-day", "two"))
    (tmp_path / "a.chaos.yaml").write_text(scenario)
    (tmp_path / "notes.yaml").write_text("not: a scenario")
    plans = load_scenarios([tmp_path, tmp_path / "a.chaos.yaml"])
    assert [plan.name for plan in plans] == ["bad-day", "two"]


def test_two_scenarios_of_one_name(tmp_path: Path, scenario: str) -> None:
    """Names are ids of results, so the second file of a name is refused at its name."""
    (tmp_path / "a.chaos.yaml").write_text(scenario)
    (tmp_path / "b.chaos.yaml").write_text(scenario)
    with pytest.raises(BadFile) as caught:
        load_scenarios([tmp_path])
    (item,) = caught.value.diagnostics
    assert (item.file, item.line, item.column) == ((tmp_path / "b.chaos.yaml").as_posix(), 2, 7)
    assert item.text == f"'bad-day' is already the name of {tmp_path / 'a.chaos.yaml'}"


def test_mistakes_of_all_files_come_together(tmp_path: Path, scenario: str) -> None:
    """One broken file does not hide the next."""
    (tmp_path / "a.chaos.yaml").write_text(scenario.replace("rate: 5/s", "rate: 5"))
    (tmp_path / "b.chaos.yaml").write_text("{")
    with pytest.raises(BadFile) as caught:
        load_scenarios([tmp_path])
    assert [Path(item.file).name for item in caught.value.diagnostics] == ["a.chaos.yaml", "b.chaos.yaml"]


def test_what_is_not_there(tmp_path: Path) -> None:
    """A missing path is a wrong argument, an empty folder selects nothing."""
    with pytest.raises(UsageError, match="there is no "):
        load_scenarios([tmp_path / "nowhere"])
    with pytest.raises(NothingSelected, match="no scenario in folder"):
        load_scenarios([tmp_path])


def test_a_stack_file_beside_the_scenario(load: Load, change: Change, tmp_path: Path) -> None:
    """A path in ``stack:`` starts at the scenario's folder, and the plan names the file that was found."""
    stack = Path(load_stack("reference").source).read_text()
    (tmp_path / "mine.yaml").write_text(stack.replace("name: reference", "name: mine"))
    (plan,) = load(change("stack: reference", "stack: mine.yaml"))
    assert load_stack(plan.stack).name == "mine"


def test_a_broken_stack_is_told_once(load: Load, change: Change, tmp_path: Path) -> None:
    """The mistakes of a stack file are shown in the stack file, not once for each matrix entry."""
    (tmp_path / "mine.yaml").write_text("version: 1\n")
    text = change("stack: reference", "stack: mine.yaml") + "matrix: {x: [1, 2, 3]}\n"
    with pytest.raises(BadFile) as caught:
        load(text)
    texts = [item.text for item in caught.value.diagnostics]
    assert len(texts) == len(set(texts)) == 4
    assert {Path(item.file).name for item in caught.value.diagnostics} == {"mine.yaml"}


def test_a_scenario_sets_parameters_of_its_stack(load: Load, scenario: str) -> None:
    """They come as texts, those of the matrix too; a parameter that the stack has not is a mistake."""
    text = f'{scenario}set: {{token_ttl: 3, rate_per_user: "${{matrix.r}}"}}\nmatrix: {{r: [5, 6]}}\n'
    assert [plan.parameters["rate_per_user"] for plan in load(text)] == ["5", "6"]
    assert load(text)[0].parameters["token_ttl"] == "3"
    with pytest.raises(BadFile) as caught:
        load(f"{scenario}set: {{token_tll: 3}}\n")
    [mistake] = caught.value.diagnostics
    assert mistake.text == "no parameter of the stack is called 'token_tll'"


def test_what_must_be_seen_may_name_the_way(load: Load, scenario: str) -> None:
    """Only of events that come by several ways, and only ways that there are."""
    wanted = "expect: {faults: {cut: {must_see: [recipient_synced via archive]}}}\n"
    [plan] = load(scenario + wanted)
    assert plan.faults[0].must_see == ("recipient_synced via archive",)
    for wrong in ("recipient_synced via mail", "rate_limited via live"):
        with pytest.raises(BadFile):
            load(scenario + wanted.replace("recipient_synced via archive", wrong))


def test_another_stack_replaces_the_files_own(load: Load, change: Change) -> None:
    """With ``--stack`` the file's own stack need not exist; links are looked up in the other."""
    (plan,) = load(change("stack: reference", "stack: elsewhere"), stack=load_stack("reference"))
    assert plan.name == "bad-day"


@pytest.mark.parametrize(
    ("content", "place", "code"),
    [
        (b"", (1, 1), "wrong-type"),
        (b"# nothing\n", (1, 1), "wrong-type"),
        (b"- a\n- b\n", (1, 1), "wrong-type"),
        (b"version: 1\nname: \xff\n", (2, 7), "not-utf8"),
        ("version: 1\n".encode("utf-16"), (1, 1), "not-utf8"),
        (b"a" * (1024 * 1024 + 1), (1, 1), "too-large"),
    ],
)
def test_what_is_no_scenario_at_all(load: Load, content: bytes, place: tuple[int, int], code: str) -> None:
    """Empty, binary and huge files are refused with a place and a reason."""
    with pytest.raises(BadFile) as caught:
        load(content)
    (item,) = caught.value.diagnostics
    assert ((item.line, item.column), item.code) == (place, code)
