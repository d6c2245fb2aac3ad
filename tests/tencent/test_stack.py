"""The stack `tencent`: which scenarios it can play, and some of them played through it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.places import scenarios_folder
from harness.drivers.registry import driver
from harness.engine.session import unsupported
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack
from harness.stacks.filling import fill
from harness.testing.container_engine import required_engine

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "tencent-stack.yaml"


@pytest.mark.parametrize(
    ("scenario", "reasons"),
    [
        ("lost-answer", []),
        ("logged-out-everywhere", []),
        ("too-many-messages", []),
        ("push-service-down", []),
        ("group-in-the-tunnel", ["stack tencent has no groups"]),
        ("server-clock-jumped", ["stack tencent has no server_clock"]),
        (
            "sent-is-not-delivered",
            ["stack tencent does not promise receipts: delivered, which sent_not_delivered judges"],
        ),
    ],
)
def test_what_it_cannot_do_is_named(scenario: str, reasons: list[str]) -> None:
    """A capability that it lacks, or a promise that it does not make."""
    [plan, *_] = load_scenarios([scenarios_folder() / f"{scenario}.chaos.yaml"])
    assert unsupported(plan, load_stack("tencent"), launcher="embedded")[: len(reasons) or None] == reasons


def test_the_driver_takes_the_options_of_both_stacks() -> None:
    """Of the simulator's and of the example for the real service, whose key comes from the environment."""
    for place in ("tencent", str(EXAMPLE)):
        spec = load_stack(place)
        known = {f"parameters.{name}": value for name, value in spec.parameters.items()}
        environment = {"TENCENT_SECRET_KEY": "hush"}
        options = {
            name: fill(text, known, environment=environment, where="driver")
            for name, text in spec.driver_options.items()
        }
        assert driver(spec.driver, options).capabilities >= spec.capabilities - {"rate_limit"}


@pytest.mark.parametrize(
    ("env", "code", "text"),
    [
        ({"SECRET_KEY": ""}, 2, "SECRET_KEY is not set"),
        ({"PORT": "many"}, 2, "PORT is 'many'"),
        ({"RATE_OVERALL": "-1"}, 2, "RATE_OVERALL is '-1'"),
        ({"WEBHOOK": "https://app"}, 2, "WEBHOOK is 'https://app'"),
        ({"WEBHOOK_BROKEN": "maybe"}, 2, "WEBHOOK_BROKEN is 'maybe'"),
        ({"DB": "sqlite:/nowhere/at/all.db"}, 3, "cannot use the database"),
    ],
)
def test_wrong_settings_are_told(env: dict[str, str], code: int, text: str) -> None:
    """By one sentence, without a traceback."""
    settings = {"DB": "sqlite::memory:", "PORT": "28417", "SDKAPPID": "1", "SECRET_KEY": "hush", **env}
    command = [sys.executable, "-P", "-m", "harness.tencent_simulator"]
    ended = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (code, 1)
    assert text in ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("launcher", ["embedded", pytest.param("docker", marks=pytest.mark.docker)])
def test_scenarios_are_played_and_labelled(tmp_path: Path, launcher: str) -> None:
    """A lost answer and a crash pass, a limit without a word is the listed finding; all are called simulated."""
    if launcher == "docker":
        required_engine().close()
    names = ["answer-lost-then-restart", "push-service-down", "too-many-messages"]
    files = [str(scenarios_folder() / f"{name}.chaos.yaml") for name in names]
    command = [sys.executable, "-m", "harness.cli.main", "run", *files, "--stack", "tencent", "--json", "-q"]
    command += ["--launcher", launcher, "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    told = json.loads(ended.stdout)
    runs = {run["scenario"]: run for run in told["runs"]}
    assert (ended.returncode, told["verdict"]) == (0, "pass"), ended.stdout
    assert {name: runs[name]["verdict"] for name in names} == dict(zip(names, ["pass", "pass", "fail"], strict=True))
    assert runs["too-many-messages"]["expected"] == ["limits-without-a-word"]
    assert all(run["simulated"] for run in runs.values())
