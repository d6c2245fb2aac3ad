"""A small crowd through Locust, from the command line to the verdict."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_two_swarms_are_one_crowd(loaded: Callable[..., Any]) -> None:
    """Twenty-four people in two processes, a cut at the fifteenth acknowledgement of all, and every message judged."""
    run = loaded("--swarms", "2")
    assert run.status == 0, run.errors
    (result,) = run.document["runs"]
    assert result["verdict"] == "pass"
    assert [fault["rung"] for fault in result["faults"]] == ["recovered"]
    opened = {event["device"] for event in run.events("connection_opened")}
    assert opened == {f"p{number:04d}/phone" for number in range(1, 25)}
    assert len({event["writer"] for event in run.events("connection_opened")}) == 2
    synced = [event["device"] for event in run.events("sync_completed") if event["phase"] == "final"]
    assert set(synced) == opened
    used = {part["part"]: part for part in result["resources"]}
    assert {"chat", "proxy", "people", "conductor", "harness", "machine"} <= used.keys()
    assert used["people"]["processes_max"] == 2
    assert used["chat"]["files_max"] > 24
    assert result["unmeasured"] == ""
    assert "open files" in (run.folder / "report.html").read_text()
    accepted = {event["client_message_id"] for event in run.events("server_accepted")}
    stored = {event["client_message_id"] for event in run.events("oracle_read")}
    assert accepted == stored
    gone = {event["device"]: event["mono_ns"] for event in run.events("connection_lost")}
    read = {f"{event['recipient']}/phone": event["mono_ns"] for event in run.events("oracle_completed")}
    assert gone.keys() == read.keys() == opened
    assert all(gone[device] < read[device] for device in opened)  # nobody is there when it is read what there is
    inject = [event for event in run.events("server_accepted") if event["phase"] == "inject"]
    (commanded,) = run.events("fault_commanded")
    assert sum(event["mono_ns"] < commanded["detail"]["began_ns"] for event in inject) >= 15


def test_an_acknowledgement_before_the_disk_is_caught_under_load(loaded: Callable[..., Any]) -> None:
    """The verdict is ours: with a mutant whose crash loses messages the exit code is 1, whatever Locust thinks."""
    run = loaded("--mutant", "ack_before_store", faults="{crash: {kind: process.kill, service: chat, start: {at: 2s}}}")
    assert run.status == 1, run.errors
    (result,) = run.document["runs"]
    assert "acked_never_lost" in {reason.get("check") for reason in result["reasons"]}


def kill_a_swarm(runs: Path) -> None:
    """Wait until messages are acknowledged, then kill one of the processes that play the people."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for file in runs.glob("latest/events/swarm-*.jsonl"):
            if '"server_accepted"' in file.read_text():
                os.kill(int(file.name.split("-")[1]), signal.SIGKILL)
                return
        time.sleep(0.1)
    raise AssertionError("nothing was acknowledged within a minute")


def test_a_swarm_that_dies_ends_the_run_as_an_error(loaded: Callable[..., Any]) -> None:
    """Half a crowd proves nothing: the reason is told, what the others saw is kept, and no process stays."""
    run = loaded("--swarms", "2", meanwhile=kill_a_swarm)
    assert run.status == 3, run.errors
    (result,) = run.document["runs"]
    assert "environment" in {reason["code"] for reason in result["reasons"]}
    assert any("plays the people ended unexpectedly" in reason["text"] for reason in result["reasons"])
    writers = {event["writer"] for event in run.events("person_online")}
    assert len(writers) == 2
    pids = [writer.split("-")[1] for writer in writers]
    assert [pid for pid in pids if "harness.swarm" in _command_of(pid)] == []


def _command_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
