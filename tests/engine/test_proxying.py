"""What the real Toxiproxy can carry: the reasons against it are known before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.plan import FaultPlan, ScenarioPlan, Start
from harness.engine.options import RunOptions
from harness.engine.proxying import caveats, obstacles, proxy_for, uncarried
from harness.engine.session import unsupported
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack

SCENARIO = """
version: 1
name: probe
title: A fault
stack: reference
needs: {needs}
people: {{alice: {{devices: [phone]}}, bob: {{devices: [phone]}}}}
workload: [{{kind: direct, from: alice, to: bob, rate: 5/s}}]
phases: {{baseline: 1s, observe: 3s, quiet: 2s}}
faults: {{f: {fault}}}
expect: {{checks: [order]}}
"""
DOWN = '{kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: 1s}'


def scenario(folder: Path, fault: str = DOWN, needs: str = "[]") -> ScenarioPlan:
    """A scenario with one fault."""
    path = folder / "probe.chaos.yaml"
    path.write_text(SCENARIO.format(fault=fault, needs=needs))
    [plan] = load_scenarios([path])
    return plan


def against(plan: ScenarioPlan) -> list[str]:
    """The reasons against the real one."""
    return obstacles(plan, load_stack("reference"))


@pytest.mark.parametrize(
    "fault",
    [
        DOWN,
        '{kind: network.blackhole, link: "client->chat", start: {at: 1s}, for: 1s}',
        '{kind: network.latency, link: "client->auth", start: {at: 1s}, latency: 200ms}',
        "{kind: process.kill, service: chat, start: {at: 1s}, restart_after: 1s}",
    ],
)
def test_what_people_meet_needs_no_counters(tmp_path: Path, fault: str) -> None:
    """Cuts, silence, long waits and everything that is not a link's."""
    assert against(scenario(tmp_path, fault)) == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ('{kind: network.latency, link: "client->chat", start: {at: 1s}, latency: 20ms}', "gains less than 50 ms"),
        ('{kind: network.down, link: "chat->push", start: {at: 1s}, for: 1s}', "people do not meet it"),
    ],
)
def test_what_only_counters_show_needs_our_own(tmp_path: Path, fault: str, text: str) -> None:
    """The reason names fault and link."""
    [reason] = against(scenario(tmp_path, fault))
    assert text in reason
    assert "network." in reason


def test_a_service_that_nobody_talks_to_needs_our_own(tmp_path: Path) -> None:
    """A way that starts at a helper of the service is out of people's sight, wherever it leads."""
    stack = load_stack("prosody")
    path = tmp_path / "probe.chaos.yaml"
    fault = '{kind: network.down, link: "chat->push-service", start: {at: 1s}, for: 1s}'
    path.write_text(SCENARIO.format(fault=fault, needs="[]"))
    [reason] = obstacles(load_scenarios([path], stack=stack)[0], stack)
    assert "people do not meet it" in reason


def test_an_extension_needs_our_own(tmp_path: Path) -> None:
    """A scenario that says it needs one is not played through a server without it, and by the stack all the same."""
    plan = scenario(tmp_path, needs="[proxy.reset_open]")
    stack = load_stack("reference")
    assert "proxy.reset_open" in against(plan)[0]
    assert unsupported(plan, stack, launcher="embedded", proxy="auto") == []
    assert "--proxy toxiproxy" in unsupported(plan, stack, launcher="embedded", proxy="toxiproxy")[0]


def test_an_unknown_extension_is_unsupported(tmp_path: Path) -> None:
    """No server has it, so nobody may believe that it was there."""
    plan = scenario(tmp_path, needs="[proxy.time_travel]")
    reasons = unsupported(plan, load_stack("reference"), launcher="embedded")
    assert reasons == ["stack reference has no proxy.time_travel"]


@pytest.mark.parametrize("proxy", [None, "auto", "embedded"])
def test_only_a_forced_server_skips(tmp_path: Path, proxy: str | None) -> None:
    """Left to us, or with our own, everything is played."""
    plan = scenario(tmp_path, needs="[proxy.counters]")
    assert uncarried(plan, load_stack("reference"), proxy) == []


def test_the_choice_knows_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real server at hand, the same session takes ours for what that one could not prove."""
    program = tmp_path / "toxiproxy-server"
    program.touch(mode=0o755)
    monkeypatch.setenv("CHAT_CHAOS_TOXIPROXY", str(program))
    stack, options = load_stack("reference"), RunOptions(seed=1)
    assert proxy_for(scenario(tmp_path), stack, options).proxy == "toxiproxy"
    assert proxy_for(scenario(tmp_path, needs="[proxy.seed]"), stack, options).proxy == "embedded"


def test_what_differs_is_said_once() -> None:
    """The real one's reset reaches new connections only; our own has nothing to confess."""
    faults = [FaultPlan(name, "network.reset", "client->chat", Start(at_s=1.0), 1.0) for name in ("a", "b")]
    assert caveats(faults, "embedded") == ()
    [told] = caveats(faults, "toxiproxy")
    assert "made after the fault" in told
