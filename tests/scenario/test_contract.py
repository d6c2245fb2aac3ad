"""The fullest examples of the file formats: every key of them is understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.plan import GroupWorkload, PersonPlan, ScenarioPlan, SloPlan
from harness.core.stack import StackSpec
from harness.scenario.explain import explain
from harness.scenario.stackfile import load_stack
from harness.scenario.vocabulary import installed

SCENARIO = """\
# yaml-language-server: $schema=chat-chaos.schema.json
version: 1
name: bad-day
title: Nothing is lost on a bad day
tags: [slow]
stack: reference                       # --stack overrides
needs: [groups, refresh_token, rate_limit, push, server_clock]
matrix: {cut: [1s, 5s]}
people:
  alice: {devices: [phone, laptop]}
  bob:   {devices: [phone], push: true}
  crowd: {count: 6}
client: outbox                         # outbox | naive | none: who retries
workload:
  - {kind: direct, from: alice, to: bob, rate: 5/s}
  - {kind: group, members: [alice, bob, crowd], rate: 2/s}
  - {kind: offline, device: bob/phone, at: 4s, for: 6s}
phases: {baseline: 3s, observe: 15s, quiet: 3s}
faults:
  cut:        {kind: network.down, link: "client:alice->chat", start: {after: client_send_started, of: alice, nth: 5}, \
for: "${matrix.cut}"}
  deaf:       {kind: network.downstream_blackhole, link: "client:alice->chat", start: {at: 8s}, for: 1s}
  crash:      {kind: process.kill, service: chat, start: {after: server_accepted, nth: 40}, restart_after: 1s}
  phone-late: {kind: clock.device, device: alice/phone, offset: -5m, start: {at: 0s}}
  jump:       {kind: clock.server, service: chat, offset: +1h, start: {at: 5s}, for: 3s}
  expired:    {kind: token.expire, person: alice, start: {at: 2s}}
  tight:      {kind: rate_limit.lower, scope: user, limit: 2/s, start: {at: 6s}, for: 4s}
  gone:       {kind: push.reject, device: bob/phone, answer: unregistered, start: {with: cut}}
expect:
  checks: [acked_never_lost, no_duplicates, push_token_dropped]     # must be exercised; all others run too
  faults: {cut: {min_exposed: 3, must_see: [client_retry_scheduled]}}
  slo: {recover_within: 10s, online_delivery_p95: {max: 2s, samples: 200}}
  catches: {ack_before_store: acked_never_lost}                     # mutant: the check that must catch it
load: {people: 2000, rate: 500/s, shape: [{to: 100%, over: 20s}, {hold: 2m}], warmup: 10s, max_lag_p99: 50ms}
"""

STACK = """\
version: 1
name: reference
driver: {kind: reference}
capabilities: [groups, refresh_token, rate_limit, push, server_clock]
promises:
  durability: process_crash            # none | process_crash | power_loss
  order: conversation                  # none | sender | conversation
  idempotency_window: forever
  retention: forever
  deliver_within: 5s                   # to a connected device on a healthy network
  receipts: [delivered, read]
  push_content: none                   # none | sender | body
parameters: {version: {default: "1"}}
services:
  chat:
    health: {http: /healthz, through: "client->chat", within: 10s}
    clock: faketime                    # faketime | none
    embedded: {run: ["${python}", -m, harness.reference.chat], env: {DB: "sqlite:${data}/chat.db", PUSH: "http://${link.chat->push}"}}
    docker: {build: docker/chat, replicas: 2, port: 8080, env: {DB: "postgresql://chat@${link.chat->db}/chat"}}
  db:    {docker: {build: docker/postgres, port: 5432}}
  cache: {docker: {build: docker/redis, port: 6379}}
links:
  "client->chat": {per_person: named_in_faults}
  "client->auth": {to: chat}
  "chat->push": {}
  "chat->db": {launchers: [docker]}
  "chat->cache": {launchers: [docker]}
providers: {push: {kind: unipush}}
control: direct
"""


@pytest.fixture
def full_stack(tmp_path: Path) -> StackSpec:
    """The stack of the example."""
    (tmp_path / "full.yaml").write_text(STACK)
    return load_stack(str(tmp_path / "full.yaml"))


def test_the_full_scenario(load: Callable[..., list[ScenarioPlan]], full_stack: StackSpec) -> None:
    """Every key of the example is understood, for each entry of its matrix."""
    vocabulary = replace(installed(), checks={*installed().checks, "push_token_dropped"})
    short, long = load(SCENARIO, stack=full_stack, vocabulary=vocabulary)
    assert (short.faults[0].for_s, long.faults[0].for_s) == (1.0, 5.0)
    assert short.needs == ("groups", "refresh_token", "rate_limit", "push", "server_clock")
    assert short.workloads[1] == GroupWorkload(("alice", "bob", *(f"crowd-{number}" for number in range(1, 7))), 2.0)
    assert short.people[1] == PersonPlan("bob", push=True)
    assert short.slos == (SloPlan("online_delivery_p95", 2.0, 200),)
    assert [(fault.id, fault.target, fault.params) for fault in short.faults[3:]] == [
        ("phone-late", "alice/phone", {"offset": -300.0}),
        ("jump", "chat", {"offset": 3600.0}),
        ("expired", "alice", {}),
        ("tight", "chat", {"scope": "user", "limit": 2.0}),
        ("gone", "push", {"answer": "unregistered", "device": "bob/phone", "share": 1.0}),
    ]


def test_the_full_stack(full_stack: StackSpec) -> None:
    """Every section of the example is understood."""
    assert full_stack.services["chat"].clock == "faketime"
    assert full_stack.links["chat->push"].service == "push"
    assert (full_stack.providers, full_stack.control) == ({"push": "unipush"}, "direct")


def test_the_example_reads_well(load: Callable[..., list[ScenarioPlan]], full_stack: StackSpec) -> None:
    """Signed offsets, rates and shares come out in the words of the file."""
    vocabulary = replace(installed(), checks={*installed().checks, "push_token_dropped"})
    text = explain(load(SCENARIO, stack=full_stack, vocabulary=vocabulary)[0], full_stack)
    for words in (
        "alice (phone, laptop), bob (phone, push), crowd-1 (phone)",
        "alice, bob, crowd-1, crowd-2, crowd-3, crowd-4 and 2 more write to their group at 2/s together",
        "clock.device on alice/phone (offset -5m), until heal",
        "rate_limit.lower on chat (limit 2/s, scope user), for 4s, until 10s",
        "push.reject on push (answer unregistered, device bob/phone, share 100%), together with cut, until heal",
        "online_delivery_p95 at most 2s over at least 200 samples",
    ):
        assert words in text
