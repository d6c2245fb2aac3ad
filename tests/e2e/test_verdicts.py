"""A fault that did nothing is never green, a broken environment is never a finding."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Chaos = Callable[..., "subprocess.CompletedProcess[str]"]
Verdict = Callable[["subprocess.CompletedProcess[str]"], "dict[str, Any]"]


def gap(run: dict[str, Any]) -> str | None:
    """Where the run's only fault stopped short."""
    [fault] = run["faults"]
    return str(fault["gap"]) if fault["gap"] else None


def test_a_fault_that_bites_lets_a_healthy_backend_pass(
    chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path], verdict: Verdict
) -> None:
    """The control of all that follows: the same scenario with a felt cut passes and climbs the whole ladder."""
    file = scenario(
        'cut: {kind: network.down, link: "client->chat", start: {at: 300ms}, for: 500ms}', stack=quick_stack()
    )
    run = verdict(chaos("run", file, "--json"))
    assert run["verdict"] == "pass", run["reasons"]
    assert [fault["rung"] for fault in run["faults"]] == ["recovered"]


def test_a_cut_where_no_traffic_flows_is_not_felt(
    chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path], verdict: Verdict
) -> None:
    """Nobody logs in during the cut of the login link: exit 4, not_felt."""
    file = scenario(
        'cut: {kind: network.down, link: "client->auth", start: {at: 300ms}, for: 500ms}', stack=quick_stack()
    )
    done = chaos("run", file, "--json")
    assert done.returncode == 4
    assert gap(verdict(done)) == "not_felt"


def test_a_client_that_goes_round_the_proxy_is_found_out(
    chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path], verdict: Verdict
) -> None:
    """The backend tells clients its own address, they use it, the cut is in vain: exit 4, bypassed."""
    stack = quick_stack(('MUTANT: "${mutant}"', 'MUTANT: "${mutant}"\n      ADVERTISED_URL: "${service.chat}"'))
    file = scenario('cut: {kind: network.down, link: "client->chat", start: {at: 300ms}, for: 500ms}', stack=stack)
    done = chaos("run", file, "--json")
    assert done.returncode == 4
    assert gap(verdict(done)) == "bypassed"


def test_a_heal_that_cannot_take_is_an_error(
    started: Callable[..., subprocess.Popen[str]],
    family: Callable[[int], dict[int, str]],
    quick_stack: Callable[..., Path],
    scenario: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """The proxy dies while the link is cut: exit 3, not_healed, whatever the messages look like."""
    file = scenario('cut: {kind: network.down, link: "client->chat", start: {at: 100ms}}', stack=quick_stack())
    run = started("run", file, "--proxy", "embedded", "--json")
    wait_until(lambda: b"fault_installed" in recorded(tmp_path))
    [proxy] = [pid for pid, command in family(run.pid).items() if "harness.proxy.server" in command]
    os.kill(proxy, signal.SIGKILL)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 3
    assert '"not_healed"' in out


@pytest.mark.parametrize(
    ("program", "code", "who"),
    [
        ("harness.providers.unipush", "provider_died", "provider push (unipush)"),
        ("harness.reference.chat", "service_died", "service chat"),
    ],
)
def test_what_dies_unasked_is_an_error_of_its_own(
    program: str,
    code: str,
    who: str,
    *,
    started: Callable[..., subprocess.Popen[str]],
    family: Callable[[int], dict[int, str]],
    quick_stack: Callable[..., Path],
    scenario: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Exit 3, and the sentence names who it was, whatever the messages look like."""
    file = scenario(
        'slow: {kind: network.latency, link: "client->chat", latency: 50ms, start: {at: 100ms}}', stack=quick_stack()
    )
    run = started("run", file, "--json")
    wait_until(lambda: b"fault_installed" in recorded(tmp_path))
    [victim] = [pid for pid, command in family(run.pid).items() if program in command]
    os.kill(victim, signal.SIGKILL)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 3, out
    [reason] = [reason for reason in json.loads(out)["runs"][0]["reasons"] if reason["code"] == code]
    assert who in reason["text"]
    assert "status -9" in reason["text"]


def recorded(folder: Path) -> bytes:
    """All events that have been written so far."""
    return b"".join(file.read_bytes() for file in folder.glob("chat-chaos-runs/*/events/*.jsonl"))


def wait_until(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
