"""Options: command line before environment before ini file, and wrong ones refused before anything starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.places import stacks_folder

Write = Callable[..., Path]
Fake = Callable[..., None]


def _played(pytester: pytest.Pytester) -> dict[str, Any]:
    return dict(json.loads((pytester.path / "played.jsonl").read_text().splitlines()[-1]))


def test_the_nearest_choice_counts(
    pytester: pytest.Pytester, scenario: Write, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ini key, then environment variable, then command line; pairs are merged by key."""
    scenario("lift")
    fake()
    pytester.makeini(
        "[pytest]\nchaos_seed = 1\nchaos_out = from-ini\nchaos_keep = true\nchaos_mutant = no_dedup_after_restart\n"
    )
    assert pytester.runpytest().ret == 0
    played = _played(pytester)
    assert [played["seed"], played["keep"], played["mutant"]] == ["1", "True", "no_dedup_after_restart"]
    assert played["out"] == str(pytester.path / "from-ini")
    monkeypatch.setenv("CHAT_CHAOS_SEED", "2")
    monkeypatch.setenv("CHAT_CHAOS_KEEP", "no")
    pytester.runpytest()
    assert [_played(pytester)["seed"], _played(pytester)["keep"]] == ["2", "False"]
    pytester.runpytest("--chaos-seed", "3", "--chaos-keep", "--chaos-mutant", "ack_before_store")
    played = _played(pytester)
    assert [played["seed"], played["keep"], played["mutant"]] == ["3", "True", "ack_before_store"]


def test_pairs_of_all_places_come_together(
    pytester: pytest.Pytester, scenario: Write, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each parameter of the stack takes its nearest value."""
    scenario("lift")
    fake()
    pytester.makeini("[pytest]\nchaos_set =\n    a=1\n    b=1\n    c=1\n")
    monkeypatch.setenv("CHAT_CHAOS_SET", "b=2 'c=2 and more'")
    pytester.runpytest("--chaos-set", "a=3")
    assert _played(pytester)["parameters"] == str({"a": "3", "b": "2", "c": "2 and more"})


def test_what_an_ini_file_names_lies_beside_it(
    pytester: pytest.Pytester, scenario: Write, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack file in the ini key is found from every working folder; a name stays a name."""
    path = scenario("lift", file="inner/lift.chaos.yaml")
    fake()
    mine = pytester.mkdir("stacks") / "mine.yaml"
    mine.write_text((stacks_folder() / "reference.yaml").read_text())
    pytester.makeini("[pytest]\nchaos_stack = stacks/mine.yaml\n")
    monkeypatch.chdir(path.parent)
    assert pytester.runpytest().ret == 0
    assert json.loads(Path("played.jsonl").read_text())["stack"] == str(mine)
    monkeypatch.chdir(pytester.path)
    pytester.makeini("[pytest]\nchaos_stack = reference\n")
    assert pytester.runpytest().ret == 0
    assert _played(pytester)["stack"] == "reference"


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (["--chaos-seed", "many"], "*--chaos-seed: 'many' is not a whole number from 0"),
        (["--chaos-set", "version"], "*--chaos-set: 'version' is not KEY=VALUE"),
        (["--chaos-mutant", "eats_messages"], "*there is no mutant 'eats_messages'*"),
        (["--chaos-launcher", "magic"], "*there is no launcher 'magic'*"),
    ],
)
def test_a_wrong_choice_is_an_error_of_usage(pytester: pytest.Pytester, choice: list[str], sentence: str) -> None:
    """The session exits 4 with the sentence, and collects nothing."""
    result = pytester.runpytest(*choice)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])


def test_a_wrong_variable_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where the value came from."""
    monkeypatch.setenv("CHAT_CHAOS_KEEP", "perhaps")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*CHAT_CHAOS_KEEP: 'perhaps' is neither yes nor no"])


def test_a_session_draws_one_seed(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """Without a choice all scenarios share a fresh seed, which the last lines show."""
    scenario("lift")
    scenario("tunnel")
    fake()
    result = pytester.runpytest()
    seeds = {json.loads(line)["seed"] for line in (pytester.path / "played.jsonl").read_text().splitlines()}
    assert len(seeds) == 1
    result.stdout.fnmatch_lines([f"chat-chaos: 2 pass (again: --chaos-seed {seeds.pop()})"])


def test_options_live_beside_those_of_locust(pytester: pytest.Pytester) -> None:
    """Locust's own plugin has --host; ours are all prefixed, and both are listed."""
    result = pytester.runpytest("--help")
    result.stdout.fnmatch_lines_random(["*--host=*", "*--chaos-stack=NAME|FILE*", "*--chaos-keep*"])
