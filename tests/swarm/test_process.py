"""The swarm as a process, against the real reference backend."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import Any

import pytest

from harness.core.errors import EnvironmentFault
from harness.core.plan import DirectWorkload, OfflineWorkload
from harness.swarm.control import SwarmClient
from harness.testing.reference_chat import ReferenceChat, free_port

PATIENCE_S = 30


def played(main: Any) -> Any:
    """Run an engine's side of the conversation, with a limit that no healthy run comes near."""

    async def limited() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await main

    return asyncio.run(limited())


def of(lines: list[dict[str, Any]], *events: str) -> list[dict[str, Any]]:
    """The events of these names."""
    return [line for line in lines if line["event"] in events]


@pytest.mark.slow
def test_a_chat_from_beginning_to_end(chat: ReferenceChat, swarm: Any, cast: Any) -> None:
    """Two people chat at twenty messages a second, one of them is away for a while, and nothing is missing."""
    fired: list[int] = []
    scene = cast(chat.url)
    scene.workloads = (DirectWorkload("alice", "bob", 20.0), OfflineWorkload("bob/phone", 0.3, 0.7))

    async def engine() -> tuple[Any, ...]:
        client = await SwarmClient.over(swarm.control)
        writer = await client.configure(scene.config())
        await client.phase("provision")
        await client.provision(10)
        await client.phase("baseline")
        await client.begin()
        await asyncio.sleep(0.5)
        await client.watch("w", event="client_send_started", of="alice", nth=5, fired=fired.append)
        await client.phase("inject")
        await asyncio.sleep(2.0)
        await client.phase("quiet")
        await client.quiesce()
        await client.phase("final")
        followed = await client.final(10)
        await client.phase("oracle")
        read = await client.oracle(10)
        status = await client.status()
        await client.stop()
        assert not client.lost.is_set()
        return writer, followed, read, status

    writer, followed, read, status = played(engine())
    assert swarm.wait() == 0
    assert swarm.complaints() == ""
    lines = swarm.events()
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert {line["writer"] for line in lines} == {writer}
    assert lines[-1]["event"] == "writer_closed"
    accepted = {line["message_id"] for line in of(lines, "server_accepted")}
    assert len(accepted) > 20
    assert len(accepted) == len(of(lines, "client_send_started"))
    for device in ("bob/phone", "alice/laptop"):
        reached = of(lines, "recipient_online_delivered", "recipient_synced")
        assert {line["message_id"] for line in reached if line["device"] == device} == accepted
    assert Counter(line["message_id"] for line in of(lines, "oracle_read")) == Counter(dict.fromkeys(accepted, 2))
    assert {line["observer"] for line in of(lines, "oracle_read", "oracle_completed")} == {"oracle"}
    assert [line["detail"]["complete"] for line in of(lines, "oracle_completed")] == [True, True]
    assert (followed.devices, followed.synced, followed.missing) == (3, 3, ())
    assert (read.complete, read.messages) == (True, 2 * len(accepted))
    assert status.pending == 0
    assert fired == [[line for line in of(lines, "client_send_started") if line["phase"] == "inject"][4]["mono_ns"]]
    final = [line for line in of(lines, "sync_completed") if line["phase"] == "final"]
    assert {line["device"] for line in final} == {"alice/phone", "alice/laptop", "bob/phone"}
    assert len(of(lines, "recorder_heartbeat")) >= 2
    assert all(line["detail"]["max_lag_ms"] >= 0 for line in of(lines, "generator_lag"))
    receipts = Counter(line["device"] for line in of(lines, "delivery_receipt_received"))
    assert receipts["alice/phone"] == len(accepted)


def test_an_engine_that_dies_takes_the_swarm_with_it(chat: ReferenceChat, swarm: Any, cast: Any) -> None:
    """No goodbye and no last word: the history shows a writer that was cut off."""

    async def engine() -> None:
        client = await SwarmClient.over(swarm.control)
        await client.configure(cast(chat.url).config())
        await client.provision(10)
        await client.begin()
        await client.close()

    played(engine())
    assert swarm.wait() != 0
    lines = swarm.events()
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert of(lines, "writer_closed") == []


def test_sigterm_is_a_clean_end(chat: ReferenceChat, swarm: Any, cast: Any) -> None:
    """People say goodbye, what is unsettled is given up on record, and the file gets its last word."""

    async def engine() -> bool:
        client = await SwarmClient.over(swarm.control)
        await client.configure(cast(chat.url).config())
        await client.provision(10)
        await client.begin()
        await asyncio.sleep(0.3)
        swarm.process.send_signal(signal.SIGTERM)
        await client.lost.wait()
        with pytest.raises(EnvironmentFault, match="ended unexpectedly"):
            await client.status()
        await client.close()
        return True

    assert played(engine())
    assert swarm.wait() == 0
    assert swarm.complaints() == ""
    lines = swarm.events()
    assert lines[-1]["event"] == "writer_closed"
    assert {line["detail"]["clean"] for line in of(lines, "connection_lost")} == {True}


@pytest.mark.slow
def test_people_who_cannot_connect_are_named(chat: ReferenceChat, swarm: Any, cast: Any) -> None:
    """The sentence says who is missing and why, after the time that was allowed."""
    scene = cast(chat.url)
    config = scene.config()
    nowhere = f"http://127.0.0.1:{free_port()}"
    config.endpoints["bob"] = type(config.route("bob"))(nowhere, nowhere, "client:bob->chat")

    async def engine() -> None:
        client = await SwarmClient.over(swarm.control)
        await client.configure(config)
        with pytest.raises(EnvironmentFault, match=r"within 4 s: bob/phone \(connect_failed\)"):
            await client.provision(4)
        await client.stop()

    played(engine())
    assert swarm.wait() == 0


def test_a_dead_service_does_not_hang_the_end_of_a_run(chat: ReferenceChat, swarm: Any, cast: Any) -> None:
    """Devices that could not follow their cursor are named, and the oracle says that it is incomplete."""

    async def engine() -> tuple[Any, Any]:
        client = await SwarmClient.over(swarm.control)
        await client.configure(cast(chat.url).config())
        await client.provision(10)
        await client.begin()
        chat.end(signal.SIGKILL)
        await asyncio.sleep(0.3)
        await client.phase("final")
        followed = await client.final(0.5)
        read = await client.oracle(2)
        await client.stop()
        return followed, read

    followed, read = played(engine())
    assert swarm.wait() == 0
    assert swarm.complaints() == ""
    assert followed.synced == 0
    assert set(followed.missing) == {"alice/phone", "alice/laptop", "bob/phone"}
    assert read.complete is False
    lines = swarm.events()
    assert [line["detail"]["complete"] for line in of(lines, "oracle_completed")] == [False, False]
    assert any(line.get("detail") == {"final": True} for line in of(lines, "client_send_failed"))


def test_commands_out_of_order_are_answered(swarm: Any, cast: Any) -> None:
    """A defect of the engine gets a sentence, and so does a stack file's wrong driver."""
    wrong = cast("http://127.0.0.1:1")

    async def engine() -> None:
        client = await SwarmClient.over(swarm.control)
        with pytest.raises(EnvironmentFault, match="not configured yet"):
            await client.provision(1)
        config = wrong.config()
        object.__setattr__(config, "driver", "refrence")
        with pytest.raises(EnvironmentFault, match="did you mean 'reference'"):
            await client.configure(config)
        await client.stop()

    played(engine())
    assert swarm.wait() == 0


def test_a_swarm_that_is_killed_is_noticed_at_once(swarm: Any, cast: Any) -> None:
    """Waiting commands fail with a sentence instead of running into their time limit."""

    async def engine() -> None:
        client = await SwarmClient.over(swarm.control)
        await client.configure(cast("http://127.0.0.1:1").config())
        swarm.process.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(client.status())
        await asyncio.sleep(0)
        swarm.process.kill()
        with pytest.raises(EnvironmentFault, match="ended unexpectedly"):
            await waiting
        assert client.lost.is_set()
        await client.close()

    played(engine())


def test_a_disk_that_cannot_be_written_is_told(swarm: Any, cast: Any) -> None:
    """An events folder that is a file is a sentence, not a traceback."""
    scene = cast("http://127.0.0.1:1")
    (scene.folder / "events").write_text("in the way")

    async def engine() -> None:
        client = await SwarmClient.over(swarm.control)
        with pytest.raises(EnvironmentFault, match="cannot make"):
            await client.configure(scene.config())
        await client.stop()

    played(engine())
    assert swarm.complaints() == ""
