"""What allure-pytest writes of a scenario, and that nothing of Allure is touched without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
Fake = Callable[..., None]


def _results(pytester: pytest.Pytester) -> dict[str, Any]:
    found = [json.loads(file.read_text()) for file in (pytester.path / "allure").glob("*-result.json")]
    return {_key(one): one for one in found}


def _key(result: dict[str, Any]) -> str:
    return "|".join([result["fullName"], *(f"{one['name']}={one['value']}" for one in result.get("parameters", []))])


def _labels(result: dict[str, Any], name: str) -> set[str]:
    return {label["value"] for label in result["labels"] if label["name"] == name}


def test_a_scenario_is_labelled(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """Product, fault kinds, required checks, severity of the gravest, layer and tags."""
    scenario("lift", tags="network, slow")
    fake()
    pytester.runpytest("--alluredir", "allure")
    [result] = _results(pytester).values()
    assert result["name"] == "The lift has no signal"
    assert _labels(result, "epic") == {"reference"}
    assert _labels(result, "feature") == {"network.down"}
    assert _labels(result, "story") == {"acked_never_lost"}
    assert _labels(result, "severity") == {"critical"}
    assert _labels(result, "layer") == {"chaos"}
    assert {"network", "slow", "chaos"} <= _labels(result, "tag")


def test_each_matrix_entry_has_a_history_of_its_own(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """Entries are one test case with parameters, not retries of one test; the history outlives the session."""
    scenario("lift", matrix="cut: [1s, 2s, 3s]")
    fake()
    pytester.runpytest("--alluredir", "allure")
    first = _results(pytester)
    assert len({one["historyId"] for one in first.values()}) == 3
    assert len({one["testCaseId"] for one in first.values()}) == 1
    pytester.runpytest("--alluredir", "allure", "--clean-alluredir", "-n", "2")
    again = _results(pytester)
    assert {key: one["historyId"] for key, one in again.items()} == {
        key: one["historyId"] for key, one in first.items()
    }


def test_broken_is_not_failed(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """A broken promise has failed; a fault that did not bite or a service that did not start has not."""
    for name in ("holds", "breaks", "doubtful", "torn", "beyond"):
        scenario(name)
    fake(breaks="fail", doubtful="inconclusive", torn="error", beyond="unsupported: no groups")
    pytester.runpytest("--alluredir", "allure")
    statuses = {one["fullName"].partition("#")[2]: one["status"] for one in _results(pytester).values()}
    assert statuses == {
        "holds": "passed",
        "breaks": "failed",
        "doubtful": "broken",
        "torn": "broken",
        "beyond": "skipped",
    }


def test_a_run_is_told_in_steps(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """One step per phase, one per fault window, and the judgement, each with its times."""
    scenario("lift")
    fake(lift="fail")
    pytester.runpytest("--alluredir", "allure")
    [result] = _results(pytester).values()
    steps = {step["name"]: step for step in result["steps"]}
    assert list(steps) == ["baseline", "inject", "fault cut: network.down on client:alice->chat", "judge"]
    assert all(step["start"] <= step["stop"] for step in steps.values())
    assert steps["judge"]["status"] == "failed"
    assert {"name": "verdict", "value": "fail"} in steps["judge"]["parameters"]
    assert {"name": "exposed", "value": "3"} in steps["fault cut: network.down on client:alice->chat"]["parameters"]


def test_what_explains_a_run_is_attached(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """Logs, results and the way to see it again; the message of a failure has the story."""
    scenario("lift")
    fake(lift="fail")
    pytester.runpytest("--alluredir", "allure")
    [result] = _results(pytester).values()
    attached = {one["name"]: (pytester.path / "allure" / one["source"]).read_text() for one in result["attachments"]}
    assert "the last words of the service" in attached["log of chat"]
    assert json.loads(attached["results.json"])["verdict"] == "fail"
    assert "pytest lift.chaos.yaml::lift --chaos-seed" in attached["replay"]
    assert "m-1 was acknowledged and is missing" in result["statusDetails"]["message"]
