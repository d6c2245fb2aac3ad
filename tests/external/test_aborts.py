"""A run that is given up: everything is taken back, and the reason is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness.testing.proxy_servers import RunningServer, running_server

pytestmark = pytest.mark.slow

HELD = 'cut: {kind: network.down, link: "client:alice->chat", start: {at: 0s}}'
Result = Callable[["subprocess.CompletedProcess[str]"], dict[str, Any]]


@pytest.fixture
def mortal(toxiproxy: RunningServer) -> Iterator[RunningServer]:
    """A proxy server of the test's own, which it may end."""
    with running_server(toxiproxy.kind) as server:
        yield server


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why a run that was given up was, and nothing else: it is an error, and is not repeated."""
    assert done.returncode == 3, done.stdout + done.stderr
    [run] = json.loads(done.stdout)["runs"]
    assert (run["verdict"], run["attempts"]) == ("error", 1)
    [found] = [one for one in run["reasons"] if one["code"] == "aborted"]
    return str(found["text"])


def test_the_time_limit(bench: Any) -> None:
    """A run that is not over in time is given up in mid-fault; the proxy server is left as it was found."""
    bench.stack(abort="{after: 4s}")
    bench.scenario(HELD, observe="60s")
    assert reason(bench.run("--json")).startswith("aborted: the time limit of 4 s is over")
    assert bench.proxies() == {}


def test_a_slow_baseline(bench: Any) -> None:
    """A system that is not well before any fault is not disturbed at all."""
    bench.stack(abort="{baseline_latency: 0.1ms, baseline_errors: never}")
    told = reason(bench.run("--json"))
    assert "before any fault, 5 of 100 messages took " in told
    [journal] = (bench.folder / "chat-chaos-runs").glob("2*/journal.jsonl")
    assert '"cut"' not in journal.read_text()
    assert bench.proxies() == {}


def test_a_proxy_server_that_vanishes(bench: Any, mortal: RunningServer) -> None:
    """Without it no fault can be taken back: the run does not wait for its end to say so."""
    bench = replace(bench, toxiproxy=mortal)
    bench.stack(abort="{proxy_silent_for: 1s}")
    bench.scenario(HELD, observe="60s")
    with bench.running("--json") as run:
        bench.until(lambda: any(not proxy["enabled"] for proxy in bench.proxies().values()))
        os.kill(mortal.pid, signal.SIGKILL)
        said, _ = run.communicate(timeout=60)
    assert "aborted: the proxy server is silent" in reason(subprocess.CompletedProcess([], run.returncode, said, ""))
