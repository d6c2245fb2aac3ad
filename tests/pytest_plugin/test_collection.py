"""Which files become tests, under which ids and marks, and what a bad file does."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

Write = Callable[..., Path]


def _ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def test_each_matrix_entry_is_a_test(pytester: pytest.Pytester, scenario: Write) -> None:
    """The id is the file, the scenario and its matrix entry, in the order of the file."""
    scenario("bad-day", matrix="cut: [1s, 2s]", file="sub/bad-day.chaos.yaml")
    scenario("lift", file="sub/lift.chaos.yml")
    result = pytester.runpytest("--collect-only", "-q")
    assert _ids(result) == [
        "sub/bad-day.chaos.yaml::bad-day[cut=1s]",
        "sub/bad-day.chaos.yaml::bad-day[cut=2s]",
        "sub/lift.chaos.yml::lift",
    ]


def test_only_scenario_files_are_taken(pytester: pytest.Pytester, scenario: Write) -> None:
    """A compose file or any other YAML is none of our business, unless the ini key says so."""
    scenario("lift", file="compose.yaml")
    scenario("tunnel", file="tunnel.story.yaml")
    assert pytester.runpytest("--collect-only", "-q").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result = pytester.runpytest("--collect-only", "-q", "-o", "chaos_files=*.story.yaml")
    assert _ids(result) == ["tunnel.story.yaml::tunnel"]


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (["-k", "lift"], ["lift"]),
        (["-k", "network.down and not lift"], ["deploy[cut=1s]", "deploy[cut=2s]"]),
        (["-m", "slow"], ["deploy[cut=1s]", "deploy[cut=2s]"]),
        (["-m", "chaos and not slow"], ["lift"]),
        (["-m", "matrix(cut='2s')"], ["deploy[cut=2s]"]),
        (["-m", "fault(kind='process.kill')"], []),
        (["-m", "fault(kind='network.down') and not matrix"], ["lift"]),
        (["deploy.chaos.yaml::deploy[cut=2s]"], ["deploy[cut=2s]"]),
        (["deploy.chaos.yaml::deploy"], ["deploy[cut=1s]", "deploy[cut=2s]"]),
    ],
)
def test_scenarios_are_selected_as_tests_are(
    pytester: pytest.Pytester, scenario: Write, selection: list[str], chosen: list[str]
) -> None:
    """By keyword, by fault kind, by tag, by matrix entry and by id."""
    scenario("deploy", tags="slow", matrix="cut: [1s, 2s]")
    scenario("lift")
    result = pytester.runpytest("--collect-only", "-q", "--strict-markers", *selection)
    assert [line.partition("::")[2] for line in _ids(result)] == chosen


def test_a_tag_never_clashes_with_a_mark_that_needs_arguments(
    pytester: pytest.Pytester, scenario: Write, fake: Callable[..., None]
) -> None:
    """``timeout`` is a mark of another plugin; as a tag it is a keyword, and the test runs."""
    scenario("lift", tags="timeout")
    fake()
    pytester.makeini("[pytest]\nmarkers =\n    timeout(seconds): of another plugin")
    pytester.runpytest("-k", "timeout").assert_outcomes(passed=1)


def test_collecting_starts_nothing(pytester: pytest.Pytester, scenario: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process, no connection, no listener."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("collection started something")

    scenario("lift", matrix="cut: [1s, 2s]")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    assert not (pytester.path / "chat-chaos-runs").exists()


def test_a_bad_file_is_one_error_with_its_place(pytester: pytest.Pytester, scenario: Write) -> None:
    """Our own diagnostics, all of them; pytest exits 2 and still lists the other files."""
    bad = scenario("broken")
    bad.write_text(bad.read_text().replace("rate: 10/s", "rate: 10").replace("network.down", "network.dwon"))
    scenario("lift")
    result = pytester.runpytest("--collect-only")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.re_match_lines(
        [
            r".*<ScenarioItem lift>",
            r"broken\.chaos\.yaml:7:\d+: error\[\S+\]: .*10 has no unit",
            r"broken\.chaos\.yaml:10:\d+: error\[\S+\]: .*network\.dwon",
            r".*did you mean 'network\.down'",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.assert_outcomes(errors=1)


def test_an_unknown_stack_is_told_in_a_sentence(pytester: pytest.Pytester, scenario: Write) -> None:
    """A stack that does not exist keeps every scenario from being collected."""
    scenario("lift")
    result = pytester.runpytest("--collect-only", "--chaos-stack", "refrence")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*there is no stack 'refrence'*", "*did you mean 'reference'*"])


def test_a_test_stands_at_the_line_of_its_scenario(
    pytester: pytest.Pytester, scenario: Write, fake: Callable[..., None]
) -> None:
    """Editors, JUnit and annotations get the file and the line that names the scenario."""
    scenario("lift")
    fake()
    [report] = [one for one in pytester.inline_run().getreports("pytest_runtest_logreport") if one.when == "call"]
    assert report.location == ("lift.chaos.yaml", 1, "lift")


def test_fixtures_of_the_project_apply(pytester: pytest.Pytester, scenario: Write, fake: Callable[..., None]) -> None:
    """Autouse fixtures of every scope surround a scenario, as they do any test."""
    scenario("lift")
    fake()
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(
            "\nimport pytest\n"
            + "".join(
                f"@pytest.fixture(autouse=True, scope='{scope}')\ndef of_{scope}(): print('begin {scope}')\n"
                for scope in ("session", "package", "module", "class", "function")
            )
        )
    result = pytester.runpytest("-s")
    result.assert_outcomes(passed=1)
    assert sum("begin" in line for line in result.outlines) == 5
