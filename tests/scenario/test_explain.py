"""A scenario in plain words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.core.plan import ScenarioPlan
from harness.core.stack import AbortRules, ExternalService
from harness.scenario.explain import explain
from harness.scenario.stackfile import load_stack

_REFERENCE = load_stack("reference")
STACK = replace(_REFERENCE, links={name: _REFERENCE.links[name] for name in ("client->chat", "client->auth")})
"""A stack that clients reach in two ways, and nothing else."""

TEXT = """\
version: 1
name: bad-day
title: A bad day
stack: reference
needs: [telepathy]
matrix: {cut: [1s]}
people:
  alice: {devices: [phone, laptop]}
  bob: {}
  crowd: {count: 6}
workload:
  - {kind: direct, from: alice, to: bob, rate: 30/m}
  - {kind: offline, device: bob/phone, at: 500ms, for: 2s}
phases: {baseline: 2s, observe: 8s, quiet: 3500ms}
faults:
  crash: {kind: process.kill, service: chat, start: {after: client_send_started, of: alice, nth: 3}}
  slow: {kind: network.latency, link: "client->auth", start: {at: 2s}, latency: 300ms}
  cut: {kind: network.down, link: "client:alice->chat", start: {with: slow}, for: "${matrix.cut}"}
expect:
  checks: [acked_never_lost, order]
  faults: {cut: {min_exposed: 2, must_see: [client_retry_scheduled]}}
  catches: {ack_before_store: acked_never_lost}
"""

EXPECTED = """\
bad-day[cut=1s]: A bad day
  stack     reference, spoken to by driver reference
  skipped   the stack lacks telepathy
  people    alice (phone, laptop), bob (phone), crowd-1 (phone), crowd-2 (phone), crowd-3 (phone), crowd-4 (phone), \
and 2 more
  proxies   client->chat, client->auth, client:alice->chat, client:alice->auth
  timeline  13.5s declared, plus start-up, healing and reading back
         -2s  baseline: alice writes to bob at 30/m
          0s  inject: faults are armed; observe begins
       500ms  bob/phone goes offline
          2s  slow: network.latency on client->auth (jitter 0s, latency 300ms), until heal
          2s  cut: network.down on client:alice->chat, together with slow, for 1s, until 3s
        2.5s  bob/phone comes back
    when due  crash: process.kill on chat (restart_after 500ms), after the 3rd client_send_started of alice
          8s  heal: whatever still holds is taken back, last in first out
        then  quiet for 3.5s: undisturbed messages, then what is pending must get through
        then  final: every device follows its own cursor to the end
        then  oracle: everything is read back over a way that no fault touches, and judged
  held to
    checks acked_never_lost, order must have had something to look at; all others run too
    crash must cross at least 1 operation in flight: otherwise the run proves nothing
    slow must cross at least 1 operation in flight: otherwise the run proves nothing
    cut must cross at least 2 operations in flight, and cause client_retry_scheduled: otherwise the run proves nothing
    messages flow again within 10s of healing
    with mutant ack_before_store, acked_never_lost must fail
"""


def test_the_whole_timeline(load: Callable[..., list[ScenarioPlan]]) -> None:
    """Everything that a run would do stands there, in the order in which it would happen."""
    (plan,) = load(TEXT)
    assert explain(plan, STACK) == EXPECTED


def test_a_scenario_without_faults(load: Callable[..., list[ScenarioPlan]], scenario: str) -> None:
    """A control run without faults and demands reads as what it is."""
    (plan,) = load(scenario.partition("faults:")[0])
    text = explain(plan, STACK)
    assert "proxies   client->chat, client->auth\n" in text
    assert "    all checks run\n" in text


def test_a_crowd_is_told(load: Callable[..., list[ScenarioPlan]], scenario: str) -> None:
    """What `load` would make of it, each share in words."""
    mix = "{group: 20%, hot: 1%, away: {share: 10%, for: 3s}}"
    (plan,) = load(f"{scenario}load: {{people: 300, rate: 5/s, shape: herd, mix: {mix}}}\n")
    assert (
        "  load      instead, with `chat-chaos load`: 300 people at 5/s together, 20% of it to groups of 8, "
        "1% of it by 1 to a group of 300, 10% of them away, 3s each; 100% online after 1s, then held for 1m\n"
    ) in explain(plan, STACK)


def test_abort_conditions_are_told(load: Callable[..., list[ScenarioPlan]]) -> None:
    """For a system that runs already; a condition that is off is not named."""
    chat = replace(STACK.services["chat"], external=ExternalService("chat.example:80", "chat.example:80"))
    rules = AbortRules(unhealthy_for_s=None, baseline_errors=0.1)
    (plan,) = load(TEXT)
    told = explain(plan, replace(STACK, services={"chat": chat}, abort=rules))
    assert (
        "  given up  (--launcher external) after 15m; when the proxy server is silent for 5s; "
        "when over 10% of attempts fail before any fault; when p95 of acceptance is over 2s before any fault\n"
    ) in told
