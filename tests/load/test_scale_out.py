"""A crowd that is played by several Locust workers, here and on what passes for other machines."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.testing.lacking import lacking
from harness.testing.reference_chat import free_port

pytestmark = pytest.mark.slow
HOUR_NS = 3600 * 10**9
ANOTHER_CLOCK = ("unshare", "--time", "--monotonic", "3600")


def test_locust_workers_are_one_crowd(loaded: Callable[..., Any], tmp_path: Path) -> None:
    """Three workers with a swarm each: one fault for all, one history, one set of Locust's figures."""
    run = loaded("--processes", "3", "--csv", str(tmp_path / "stats"))
    assert run.status == 0, run.errors
    (result,) = run.document["runs"]
    assert result["verdict"] == "pass"
    opened = run.events("connection_opened")
    assert {event["device"] for event in opened} == {f"p{number:04d}/phone" for number in range(1, 25)}
    assert len({event["writer"] for event in opened}) == 3
    assert len(run.events("fault_commanded")) == 1
    assert run.events("clock_measured") == []
    (commanded,) = run.events("fault_commanded")
    inject = [event for event in run.events("server_accepted") if event["phase"] == "inject"]
    assert sum(event["mono_ns"] < commanded["detail"]["began_ns"] for event in inject) >= 15
    rows = {row["Name"]: row for row in csv.DictReader((tmp_path / "stats_stats.csv").read_text().splitlines())}
    sends = int(rows["send"]["Request Count"]) - int(rows["send"]["Failure Count"])
    assert sends == len(run.events("server_accepted"))
    assert int(rows["deliver"]["Request Count"]) == len(run.events("recipient_online_delivered"))


@pytest.fixture
def another_clock() -> tuple[str, ...]:
    """The command that gives a process a monotonic clock that is an hour ahead, as another machine may have."""
    try:
        subprocess.run([*ANOTHER_CLOCK, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        lacking("unshare", "a clock of its own takes unshare of util-linux 2.36 and the right to use it")
    return ANOTHER_CLOCK


def test_histories_of_other_machines_are_fetched_at_the_time_of_this_one(
    loaded: Callable[..., Any], another_clock: tuple[str, ...], family: Any
) -> None:
    """Two workers that were started by hand, one with another clock: their events are there, in order with the rest."""
    port = str(free_port())
    work = [sys.executable, "-m", "harness.cli.main", "load", "--worker", "--master-port", port]
    with ExitStack() as workers:
        started = [
            workers.enter_context(
                subprocess.Popen([*prefix, *work], stderr=subprocess.PIPE, text=True, env=family.environ())
            )
            for prefix in ((), another_clock)
        ]
        run = loaded("--master", "--expect-workers", "2", "--master-bind-port", port)
        told = [worker.communicate(timeout=30)[1] for worker in started]
    assert run.status == 0, run.errors
    assert [worker.returncode for worker in started] == [0, 0], told
    (result,) = run.document["runs"]
    assert result["verdict"] == "pass"
    opened = run.events("connection_opened")
    assert {event["device"] for event in opened} == {f"p{number:04d}/phone" for number in range(1, 25)}
    (measured,) = run.events("clock_measured")
    error_ns = measured["detail"]["error_ns"]
    assert abs(measured["detail"]["offset_ns"] - HOUR_NS) <= error_ns + 10**6
    moved = [event for event in run.events("server_accepted", "client_send_started") if "clock" in event]
    assert {event["clock"] for event in moved} == {measured["detail"]["of"]}
    # Each phase was told to everybody at the same time: who was told late has not lived in another hour.
    phases = run.events("phase_started")
    inject, heal = (next(event["mono_ns"] for event in phases if event["phase"] == name) for name in ("inject", "heal"))
    during = [event for event in moved if event["phase"] in {"inject", "observe"}]
    assert during
    assert all(inject - error_ns <= event["mono_ns"] <= heal + 2 * 10**9 for event in during)
    assert all(event["intended_ns"] <= event["mono_ns"] for event in moved if "intended_ns" in event)
    assert family.gone()


def test_a_worker_that_cannot_reach_the_service_is_refused(loaded: Callable[..., Any], family: Any) -> None:
    """On another machine 127.0.0.1 is another place: the run ends before anybody connects, and says what to do."""
    port = str(free_port())
    # A network of its own that still reaches the master is more than a test needs: it says that it has one.
    lie = (
        "import sys, harness.load.machine as m; own = m._namespace\n"
        "m._namespace = lambda kind: 'elsewhere' if kind == 'net' else own(kind)\n"
        f"sys.argv = ['work', '--master-host', '127.0.0.1', '--master-port', '{port}']\n"
        "from harness.load.work import main; sys.exit(main())"
    )
    with subprocess.Popen([sys.executable, "-c", lie], stderr=subprocess.PIPE, text=True, env=family.environ()) as work:
        run = loaded("--master", "--expect-workers", "1", "--master-bind-port", port)
        _, told = work.communicate(timeout=60)
    assert run.status == 3
    (reason,) = [reason["text"] for reason in run.document["runs"][0]["reasons"] if reason["code"] == "environment"]
    assert "cannot reach http://127.0.0.1" in reason
    assert "--launcher external" in reason
    assert work.returncode == 3
    assert "before it was over" in told
    assert family.gone()


def test_workers_that_do_not_come_are_waited_for_in_vain(loaded: Callable[..., Any], family: Any) -> None:
    """How many came and how to start the others, exit code 3, nobody left."""
    port = str(free_port())
    flags = ["--master", "--expect-workers", "2", "--master-bind-port", port, "--expect-workers-max-wait", "1s"]
    run = loaded(*flags)
    assert run.status == 3
    told = json.dumps(run.document)
    assert "0 of 2 Locust workers joined" in told
    assert f"--worker --master-host HOST --master-port {port}" in told
    assert family.gone()


def test_a_worker_without_a_file_needs_none_and_a_run_without_one_is_a_mistake(loaded: Callable[..., Any]) -> None:
    """FILE may be left out for a worker only."""
    command = [sys.executable, "-m", "harness.cli.main", "load"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "there is no FILE" in ended.stderr
    run = loaded("--master", "--find-capacity", "--master-bind-port", str(free_port()))
    assert run.status == 2
    assert "play one run" in run.errors
