"""Whoever dies in the middle of a load run: one sentence, exit code 3, nobody left, and never a pass."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.testing.reference_chat import free_port

pytestmark = pytest.mark.slow
CONDUCTOR, WORKER, SWARM = "harness.load", "harness.load.work", "harness.swarm"
PATIENCE_S = 60.0


def talking(folder: Path, events: str, swarms: int) -> None:
    """Wait until the people of so many swarms have messages acknowledged; ``events`` are the folders to look in."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        files = [file.read_text() for file in folder.glob(f"{events}/swarm-*.jsonl")]
        if sum('"server_accepted"' in text for text in files) >= swarms:
            return
        time.sleep(0.1)
    raise AssertionError("nothing was acknowledged in time")


@pytest.fixture
def killed(loaded: Callable[..., Any], family: Any) -> Callable[..., Any]:
    """Play under load with these flags and kill the first process that was started with this word in the middle."""

    def play(word: str, *flags: str, swarms: int = 2) -> Any:
        def kill(runs: Path) -> None:
            talking(runs, "latest/events", swarms)
            os.kill(family.pids(word)[0], signal.SIGKILL)

        return loaded(*flags, meanwhile=kill)

    return play


def environment_of(run: Any) -> str:
    """What the run says went wrong with its surroundings."""
    (result,) = run.document["runs"]
    assert (run.status, result["verdict"]) == (3, "error"), run.errors
    (reason,) = {reason["text"] for reason in result["reasons"] if reason["code"] == "environment"}
    return str(reason)


@pytest.mark.parametrize(
    ("word", "flags", "sentence"),
    [
        (SWARM, ("--swarms", "2"), "a process that plays the people ended unexpectedly"),
        (SWARM, ("--processes", "2"), "a process that plays the people ended unexpectedly"),
        (WORKER, ("--processes", "2"), "the Locust worker on "),
        (CONDUCTOR, ("--swarms", "2"), "the process that plays the people ended unexpectedly"),
        (CONDUCTOR, ("--processes", "2"), "the process that plays the people ended unexpectedly"),
    ],
    ids=["swarm", "swarm of a worker", "worker", "conductor", "master"],
)
def test_a_death_here_is_told_and_leaves_evidence(
    killed: Callable[..., Any], family: Any, word: str, flags: tuple[str, ...], sentence: str
) -> None:
    """The run ends at once with one sentence; what everybody recorded until then is judged, and nobody stays."""
    run = killed(word, *flags)
    assert sentence in environment_of(run)
    assert "Traceback" not in run.errors
    (result,) = run.document["runs"]
    assert result["counts"]["accepted"] > 0
    assert len({event["writer"] for event in run.events("server_accepted")}) == 2
    assert family.gone()
    again = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "check", run.folder], capture_output=True, text=True, check=False
    )
    assert again.returncode != 0, again.stdout


def worker(port: str, family: Any, folder: Path) -> subprocess.Popen[str]:
    """Start a worker as on another machine, which has ``folder`` for what is temporary."""
    command = [sys.executable, "-m", "harness.cli.main", "load", "--worker", "--master-port", port]
    environ = {**family.environ(), "TMPDIR": str(folder)}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ)


ELSEWHERE = "chat-chaos-worker-*/events"


def test_a_machine_that_falls_silent_ends_the_run_with_what_the_others_have(
    loaded: Callable[..., Any], family: Any, tmp_path: Path
) -> None:
    """A worker elsewhere is killed: the master notices, fetches the other's events, and says who is missing."""
    port = str(free_port())
    with worker(port, family, tmp_path) as one, worker(port, family, tmp_path) as other:

        def kill(_: Path) -> None:
            talking(tmp_path, ELSEWHERE, 2)
            one.kill()

        flags = ["--master", "--expect-workers", "2", "--master-bind-port", port, "--duration", "60s"]
        run = loaded(*flags, meanwhile=kill)
        _, told = other.communicate(timeout=30)
    assert f"(pid {one.pid}) ended unexpectedly" in environment_of(run)
    assert len({event["writer"] for event in run.events("server_accepted")}) == 1
    assert other.returncode == 0, told
    assert family.gone()


def test_a_worker_whose_master_is_killed_ends_and_says_where_its_events_are(
    loaded: Callable[..., Any], family: Any, tmp_path: Path
) -> None:
    """It waits for no master for ever: exit code 3, and its own history can be judged where it is."""
    port = str(free_port())
    with worker(port, family, tmp_path) as one:

        def kill(_: Path) -> None:
            talking(tmp_path, ELSEWHERE, 1)
            os.kill(family.pids(CONDUCTOR)[0], signal.SIGKILL)

        flags = ["--master", "--expect-workers", "1", "--master-bind-port", port, "--duration", "60s"]
        run = loaded(*flags, meanwhile=kill)
        _, told = one.communicate(timeout=60)
    assert "the process that plays the people ended unexpectedly" in environment_of(run)
    assert one.returncode == 3
    assert "said nothing for 15 s" in told
    events = Path(told.split("chat-chaos check ")[1].split()[0])
    assert any('"server_accepted"' in file.read_text() for file in events.glob("*.jsonl"))
    assert "Traceback" not in told
    assert family.gone()
