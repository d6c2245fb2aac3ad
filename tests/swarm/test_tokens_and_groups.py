"""The swarm as a process with groups, pushes, limits and tokens that end, against the real reference backend."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from harness.core.plan import DirectWorkload, GroupWorkload, PersonPlan
from harness.swarm.config import SwarmConfig
from harness.swarm.control import OracleRead, SwarmClient
from harness.testing.reference_chat import ReferenceChat

pytestmark = pytest.mark.slow

PATIENCE_S = 30
PEOPLE = (PersonPlan("alice", ("phone", "laptop")), PersonPlan("bob", push=True), PersonPlan("carol"))
GROUP = GroupWorkload(
    ("alice", "bob"), 20.0, joins=((0.3, "carol"),), leaves=((0.9, "bob"),), blocks=((0.6, "carol", "alice"),)
)
TALK = DirectWorkload("alice", "bob", 20.0, over="http")


def of(lines: list[dict[str, Any]], *events: str) -> list[dict[str, Any]]:
    """The events of these names."""
    return [line for line in lines if line["event"] in events]


def command(chat: ReferenceChat, path: str, **body: object) -> None:
    """Give the service a command by its control port."""
    method = "PUT" if path == "limits" else "POST"
    headers = {"Authorization": f"Bearer {chat.control_token}"}
    chat.http.request(method, f"{chat.control_url}/{path}", json=body, headers=headers).raise_for_status()


def run(swarm: Any, config: SwarmConfig, *steps: Any) -> OracleRead:
    """Play from provision to oracle; each step is waited out or, if it can be called, done, once inject has begun."""

    async def engine() -> OracleRead:
        async with asyncio.timeout(PATIENCE_S):
            client = await SwarmClient.over(swarm.control)
            await client.configure(config)
            await client.provision(10)
            await client.begin()
            await client.phase("inject")
            for step in steps:
                if callable(step):
                    await asyncio.to_thread(step)
                else:
                    await asyncio.sleep(step)
            await client.quiesce()
            await asyncio.sleep(0.5)
            await client.phase("final")
            await client.final(10)
            read = await client.oracle(10)
            await client.stop()
            return read

    read = asyncio.run(engine())
    assert swarm.wait() == 0
    assert swarm.complaints() == ""
    return read


def test_a_group_with_comings_and_goings(chat: ReferenceChat, swarm: Any, cast: Any) -> None:
    """Everybody gets what was written while they were certainly members, and nobody what came before."""
    scene = replace(cast(chat.url), people=PEOPLE, workloads=(GROUP,))
    assert run(swarm, scene.config(), 1.5).complete
    lines = swarm.events()
    changed = of(lines, "membership_changed")
    assert [(line["sender"], line["detail"]["change"]) for line in changed] == [
        ("alice", "create"),
        ("alice", "create"),
        ("carol", "join"),
        ("carol", "block"),
        ("bob", "leave"),
    ]
    blocked = changed[3]["mono_ns"]
    joining, _, leaving = (line["mono_ns"] for line in of(lines, "membership_changing"))
    sent = {line["op"]: line for line in of(lines, "client_send_started")}
    accepted = of(lines, "server_accepted")
    assert len(accepted) > 15
    assert {line["sender"] for line in accepted} == {"alice", "bob", "carol"}

    def ops(keep: Any) -> set[str]:
        return {line["op"] for line in accepted if keep(line)}

    def received(device: str) -> set[str]:
        arrivals = of(lines, "recipient_online_delivered", "recipient_synced")
        return {line["client_message_id"] for line in arrivals if line["device"] == device}

    assert received("bob/phone") >= ops(lambda line: line["sender"] != "bob" and line["mono_ns"] < leaving)
    assert received("alice/laptop") == {line["op"] for line in accepted}
    carols = received("carol/phone") - ops(lambda line: line["sender"] == "carol")
    assert carols
    assert not carols & ops(lambda line: line["mono_ns"] < joining)
    assert not carols & ops(lambda line: line["sender"] == "alice" and sent[line["op"]]["mono_ns"] > blocked)


def test_tokens_that_end_in_the_middle_of_a_chat(chat: ReferenceChat, swarm: Any, cast: Any) -> None:
    """One refresh for an expiry, one login for a revocation, no message lost, and sends over HTTP meet both."""
    scene = replace(cast(chat.url), people=PEOPLE, workloads=(TALK, DirectWorkload("alice", "carol", 20.0)))
    run(
        swarm,
        scene.config(),
        0.4,
        lambda: command(chat, "tokens/expire", user="alice"),
        0.8,
        lambda: command(chat, "tokens/revoke", user="alice"),
        0.8,
    )
    lines = swarm.events()
    phone = [line for line in lines if line.get("device") == "alice/phone"]
    assert len(of(phone, "token_issued")) == 2
    assert [line["attempt"] for line in of(phone, "token_refresh_started", "token_refreshed")] == [1, 1, 1]
    assert [line["error_code"] for line in of(phone, "token_refresh_failed")] == ["refresh_rejected"]
    assert {line["error_code"] for line in of(phone, "token_expired", "token_rejected")} >= {
        "token_expired",
        "token_revoked",
    }
    sent = {line["op"] for line in of(lines, "client_send_started")}
    assert sent == {line["op"] for line in of(lines, "server_accepted")}
    assert {line.get("detail", {}).get("over") for line in of(lines, "client_send_started")} == {"http", None}
    stored = [line["client_message_id"] for line in of(lines, "oracle_read") if line["recipient"] == "alice"]
    assert sorted(stored) == sorted(sent)
    assert {line["device"] for line in of(lines, "push_token_registered")} == {"bob/phone"}


@pytest.mark.parametrize("defects", [(), ("ignores_retry_after",)])
def test_a_limit_is_met_with_patience_or_without(
    chat: ReferenceChat, swarm: Any, cast: Any, defects: tuple[str, ...]
) -> None:
    """A correct client does not come back before its time, a naive one does."""
    scene = replace(cast(chat.url), people=PEOPLE, workloads=(TALK,))
    config = replace(scene.config(), client="naive" if defects else "outbox", defects=defects)
    run(swarm, config, 0.3, lambda: command(chat, "limits", per_user=2.0, overall=None), 2.0)
    lines = swarm.events()
    limited = of(lines, "rate_limited")
    assert limited
    assert all(line["retry_after_ms"] >= 1000 and line["http_status"] == 429 for line in limited)
    starts = [line["mono_ns"] for line in of(lines, "client_send_started")]
    early = [
        start
        for line in limited
        for start in starts
        if line["mono_ns"] < start < line["mono_ns"] + line["retry_after_ms"] * 1_000_000
    ]
    assert bool(early) is bool(defects)
