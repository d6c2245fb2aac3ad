"""The fullest examples of the file formats: what is not there yet is said key by key, and nothing else is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.scenario.diagnostics import BadFile
from harness.scenario.stackfile import load_stack

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


def test_the_full_scenario(load: Callable[[str], object]) -> None:
    """Kinds, checks and keys that are not there yet are named one by one, each at its place."""
    with pytest.raises(BadFile) as caught:
        load(SCENARIO)
    assert [(item.line, item.text) for item in caught.value.diagnostics] == [
        (11, "unknown key 'push' in people.bob"),
        (16, "unknown kind 'group'"),
        (23, "no fault kind is called 'clock.device'"),
        (24, "no fault kind is called 'clock.server'"),
        (25, "no fault kind is called 'token.expire'"),
        (26, "no fault kind is called 'rate_limit.lower'"),
        (27, "no fault kind is called 'push.reject'"),
        (29, "no check is called 'push_token_dropped'"),
        (31, "unknown key 'online_delivery_p95' in expect.slo"),
    ]


def test_the_full_stack(tmp_path: Path) -> None:
    """Every section of the example is understood."""
    (tmp_path / "full.yaml").write_text(STACK)
    spec = load_stack(str(tmp_path / "full.yaml"))
    assert spec.services["chat"].clock == "faketime"
    assert spec.links["chat->push"].service == "push"
    assert (spec.providers, spec.control) == ({"push": "unipush"}, "direct")


def test_what_is_left_of_the_full_scenario_runs(load: Callable[[str], list[object]]) -> None:
    """Without the lines that are refused, the example is a scenario of two runs."""
    refused = ("phone-late:", "jump:", "expired:", "tight:", "gone:", "kind: group")
    lines = [line for line in SCENARIO.splitlines() if not any(word in line for word in refused)]
    text = "\n".join(lines).replace(", push: true", "").replace(", push_token_dropped", "")
    plans = load(text.replace(", online_delivery_p95: {max: 2s, samples: 200}", ""))
    assert len(plans) == 2
