"""Scenarios against a system that runs already: judged like any other, and left as it was found."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

GONE_WITHIN_S = 10.0
HELD = 'cut: {kind: network.down, link: "client:alice->chat", start: {at: 0s}}'
DEAF = 'deaf: {kind: network.blackhole, link: "client->chat", start: {at: 0s}}'

Result = Callable[["subprocess.CompletedProcess[str]"], dict[str, Any]]


def journal_of(folder: Path) -> str:
    """The journal of the only run in a folder, empty before there is one."""
    return "".join(path.read_text() for path in (folder / "chat-chaos-runs").glob("2*/journal.jsonl"))


def test_runs_follow_each_other_on_the_same_data(bench: Any, result: Result) -> None:
    """Each makes accounts of its own, so that names are free; the fault is felt and nothing of it is left."""
    for _ in range(2):
        done = bench.run("--json")
        found = result(done)
        assert (done.returncode, found["verdict"], found["launcher"]) == (0, "pass", "external"), done.stdout
        assert found["proxy"] == bench.toxiproxy.kind
        assert [fault["gap"] for fault in found["faults"]] == [None]
        assert bench.proxies() == {}
        assert bench.chat.login("alice-of-the-tests")["token"], "the system went on all the time"


def test_without_a_proxy_server_the_run_brings_its_own(bench: Any, result: Result) -> None:
    """Addresses are enough to disturb the way of the clients."""
    path = bench.stack()
    path.write_text(path.read_text().replace(f'external: {{toxiproxy: "{bench.toxiproxy.url}"}}\n', ""))
    done = bench.run("--json", "--proxy", "embedded")
    assert (done.returncode, result(done)["proxy"]) == (0, "embedded"), done.stdout + done.stderr
    assert bench.proxies() == {}


def test_what_the_services_use_is_not_known(bench: Any, result: Result) -> None:
    """Under load the harness's own parts are measured, and of the services it is said why they are not."""
    found = result(bench.run("--json", "--users", "4", "--rate", "10/s", command="load"))
    assert {part["part"] for part in found["resources"]} == {"people", "conductor", "harness", "machine"}
    assert "only their operator can look" in found["unmeasured"]


@pytest.mark.parametrize("fault", [HELD, DEAF], ids=["cut", "swallowed"])
def test_sigkill_takes_everything_back(bench: Any, fault: str) -> None:
    """With a fault in force, SIGKILL of the harness: within ten seconds the proxy server has nothing of the run."""
    bench.scenario(fault, observe="60s")
    theirs = {"name": "theirs", "listen": "127.0.0.1:0", "upstream": bench.chat.url.removeprefix("http://")}
    bench.api("/proxies", theirs)

    def in_force() -> bool:
        return any(proxy["toxics"] or not proxy["enabled"] for proxy in bench.proxies().values())

    with bench.running() as run:
        bench.until(in_force)
        assert len(bench.proxies()) > 1
        run.send_signal(signal.SIGKILL)
        run.wait()
        bench.until(lambda: list(bench.proxies()) == ["theirs"], GONE_WITHIN_S)
    assert bench.proxies()["theirs"]["enabled"]
    applied = [json.loads(line) for line in journal_of(bench.folder).splitlines()]
    assert [entry.get("applying") for entry in applied] == ["chat-chaos/proxies", fault.partition(":")[0]]


def test_a_proxy_that_is_there_is_claimed_used_and_given_back(bench: Any, result: Result) -> None:
    """The people of a link go through the proxy that its owner made; it stays, as it was."""
    address = bench.chat.url.removeprefix("http://")
    made = bench.api("/proxies", {"name": "front", "listen": "127.0.0.1:0", "upstream": address})
    bench.stack(link="{external: {proxy: front}}")
    done = bench.run("--json")
    assert (done.returncode, result(done)["verdict"]) == (0, "pass"), done.stdout + done.stderr
    assert bench.proxies() == {"front": made}
    assert "/proxies/front/toxics/chat-chaos." in journal_of(bench.folder)


def test_a_proxy_in_use_is_left_alone(bench: Any) -> None:
    """Somebody else's toxic means that the way is not clear: the run is an error, and touches nothing."""
    address = bench.chat.url.removeprefix("http://")
    bench.api("/proxies", {"name": "front", "listen": "127.0.0.1:0", "upstream": address})
    bench.api("/proxies/front/toxics", {"name": "mine", "type": "latency", "attributes": {"latency": 5}})
    before = bench.proxies()
    bench.stack(link="{external: {proxy: front}}")
    done = bench.run()
    assert done.returncode == 3
    assert "proxy front" in done.stdout
    assert "is in use: it has toxics (mine)" in done.stdout
    assert bench.proxies() == before


def test_a_fault_without_means_is_unsupported(bench: Any) -> None:
    """What only a process of ours could suffer is skipped with the reason, not tried."""
    bench.scenario("crash: {kind: process.kill, service: chat, start: {at: 300ms}}")
    done = bench.run()
    assert done.returncode == 5
    assert "unsupported: process.kill: service chat runs by itself" in done.stdout + done.stderr
