"""Several workers (pytest-xdist), and what GitHub Actions is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]
Fake = Callable[..., None]


@pytest.mark.slow
def test_workers_share_the_seed_and_not_the_names(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """Each run carries its worker in its name; the controller has every verdict and one seed."""
    scenario("lift", matrix="cut: [1s, 2s, 3s, 4s]")
    fake(lift="fail")
    result = pytester.runpytest("-n", "2", "--dist", "each", "--chaos-mutant", "ack_before_store")
    result.assert_outcomes(failed=8)
    played = [json.loads(line) for line in (pytester.path / "played.jsonl").read_text().splitlines()]
    assert {one["worker"] for one in played} == {"gw0", "gw1"}
    assert len({one["pid"] for one in played}) == 2
    assert {one["mutant"] for one in played} == {"ack_before_store"}
    [seed] = {one["seed"] for one in played}
    assert {path.name.split("-")[1] for path in (pytester.path / "chat-chaos-runs").glob("lift-*")} == {"gw0", "gw1"}
    result.stdout.fnmatch_lines([f"chat-chaos: 8 fail (again: --chaos-seed {seed})"])
    result.stdout.fnmatch_lines(["*lift.chaos.yaml:2: The lift has no signal*", "*chat-chaos log of chat*"])


@pytest.mark.slow
def test_a_bad_file_is_told_once_for_all_workers(
    pytester: pytest.Pytester, scenario: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker meets it, the pull request gets one annotation per mistake."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    bad = scenario("broken")
    bad.write_text(bad.read_text().replace("rate: 10/s", "rate: 10"))
    result = pytester.runpytest("-n", "2")
    assert result.ret != 0
    told = [line for line in result.outlines if line.startswith("::error ")]
    assert len(told) == 1
    assert told[0].startswith("::error file=broken.chaos.yaml,line=7,col=")


@pytest.mark.slow
def test_github_gets_annotations_and_a_table(
    pytester: pytest.Pytester, scenario: Write, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One annotation for each scenario that did not pass, at its line, from the controller only."""
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for name in ("lift", "tunnel", "deploy"):
        scenario(name)
    fake(lift="fail", tunnel="inconclusive")
    result = pytester.runpytest("-n", "2")
    told = sorted(line for line in result.outlines if line.startswith("::error "))
    why = "acked_never_lost: message m-1 was acknowledged and is missing"
    assert told == [
        f"::error file=lift.chaos.yaml,line=2,col=1,title=chat-chaos fail%3A lift::{why}",
        "::error file=tunnel.chaos.yaml,line=2,col=1,title=chat-chaos inconclusive%3A tunnel::fault cut met no traffic",
    ]
    assert f"| lift | fail | {why} |" in summary.read_text()
    assert "| deploy | pass |  |" in summary.read_text()


def test_elsewhere_nothing_is_annotated(
    pytester: pytest.Pytester, scenario: Write, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workflow commands would be noise on a terminal."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    scenario("lift")
    fake(lift="fail")
    pytester.runpytest().stdout.no_fnmatch_line("::error*")


def test_another_plugin_that_annotates_is_left_to_it(
    pytester: pytest.Pytester, scenario: Write, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-github-actions-annotate-failures tells of failed tests already."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    scenario("lift")
    fake(lift="fail")
    pytester.makepyfile(pytest_github_actions_annotate_failures="")
    pytester.syspathinsert()
    result = pytester.runpytest("-p", "pytest_github_actions_annotate_failures")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("::error*")
