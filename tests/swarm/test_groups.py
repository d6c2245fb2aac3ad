"""A group conversation over scripted sessions, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import EnvironmentFault, UsageError
from harness.core.plan import BlockWorkload, GroupWorkload
from harness.core.seeds import Seed
from harness.drivers.api import Account, Device, Refused, Unknown
from harness.history.recorder import Recorder
from harness.swarm.blocks import block_in_time
from harness.swarm.config import Route
from harness.swarm.device import DeviceAgent, World
from harness.swarm.groups import GroupChat, as_groups
from harness.swarm.push_tokens import push_token, register_push_tokens
from harness.testing.scripted import ScriptedDriver, ScriptedSession
from harness.testing.virtual_time import VirtualClock, run_virtual
from harness.workloads.group import Turn

Line = dict[str, Any]
Sessions = dict[str, ScriptedSession]
Scene = Callable[[GroupChat, dict[str, DeviceAgent], Recorder], Awaitable[None]]
Play = Callable[..., list[Line]]

WORKLOAD = GroupWorkload(
    ("alice", "bob"),
    5.0,
    joins=((1.0, "carol"),),
    leaves=((2.0, "bob"),),
    blocks=((3.0, "carol", "alice"),),
)
DOWN = Unknown("http_503", http_status=503)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scene with alice, bob and carol on a phone each and return the events that it recorded."""

    def play(scene: Scene, **sessions: ScriptedSession) -> list[Line]:
        async def main() -> None:
            recorder = Recorder(tmp_path, run="r", role="swarm", observer="client", clock=VirtualClock())
            agents = {}
            async with asyncio.TaskGroup() as tasks:
                for name in ("alice", "bob", "carol"):
                    driver = ScriptedDriver(dials=deque([sessions.get(name, ScriptedSession(name))]))
                    world = World(driver, recorder, Seed(1), b"key", VirtualClock(), tasks.create_task)
                    device = Device(f"{name}/phone", name, "ios", "1")
                    agents[name] = DeviceAgent(device, Account(name, name, "w"), Route("c", "a", "client->chat"), world)
                    await agents[name].follow_to_end()
                try:
                    await scene(GroupChat(WORKLOAD, agents, recorder, index=2, salt="s"), agents, recorder)
                finally:
                    for agent in agents.values():
                        agent.outbox.give_up()
                        await agent.leave()

        run_virtual(main())
        return [json.loads(line) for file in tmp_path.iterdir() for line in file.read_text().splitlines()]

    return play


def memberships(lines: list[Line]) -> list[tuple[str, str, str, str]]:
    """The changes of membership in short: beginning or end, what, who, whom."""
    return [
        (line["event"].removeprefix("membership_"), line["detail"]["change"], line["sender"], line["recipient"])
        for line in lines
        if line["event"].startswith("membership")
    ]


def turn(number: int, draw: float) -> Turn:
    """One turn to speak."""
    return Turn(0.0, number, draw, f"text {number}")


def test_a_group_is_made_by_its_first_member(play: Play) -> None:
    """With all its members, each of whom is on record as confirmed."""
    session = ScriptedSession()

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del agents, recorder
        await group.create()

    lines = play(scene, alice=session)
    assert session.asked == [("create_group", "alice,bob")]
    assert memberships(lines) == [("changed", "create", "alice", "alice"), ("changed", "create", "alice", "bob")]
    assert {line["conversation_id"] for line in lines if "conversation_id" in line} == {"g:alice+bob"}


def test_changes_have_a_beginning_and_an_end(play: Play) -> None:
    """Each at its time, pursued until it is done; a block belongs to no conversation."""
    carol = ScriptedSession(errands=deque([DOWN, DOWN]))

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del agents, recorder
        await group.create()
        await group.play_changes()

    lines = play(scene, carol=carol)
    assert memberships(lines)[2:] == [
        ("changing", "join", "carol", "carol"),
        ("changed", "join", "carol", "carol"),
        ("changing", "leave", "bob", "bob"),
        ("changed", "leave", "bob", "bob"),
        ("changing", "block", "carol", "alice"),
        ("changed", "block", "carol", "alice"),
    ]
    assert carol.asked == [*[("join", "g:alice+bob")] * 3, ("block", "alice")]
    block = [line for line in lines if line.get("detail") == {"change": "block"}]
    assert all("conversation_id" not in line for line in block)
    assert block[0]["mono_ns"] / 1e9 == pytest.approx(3.0, abs=0.5)


def test_a_block_between_two_has_a_beginning_and_an_end(play: Play) -> None:
    """It belongs to no conversation; one that the service refuses for good stays open."""
    bob = ScriptedSession(errands=deque([DOWN, None, Refused("forbidden", http_status=403)]))

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del group
        for whom in ("alice", "carol"):
            await block_in_time(BlockWorkload("bob", whom, 1.0), agents, recorder)

    lines = play(scene, bob=bob)
    assert bob.asked == [("block", "alice"), ("block", "alice"), ("block", "carol")]
    assert memberships(lines) == [
        ("changing", "block", "bob", "alice"),
        ("changed", "block", "bob", "alice"),
        ("changing", "block", "bob", "carol"),
    ]


def test_only_members_write(play: Play) -> None:
    """Somebody who joins is in turn once it is confirmed, somebody who leaves no more from its beginning."""
    bob = ScriptedSession("b", errands=deque([DOWN] * 3))

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del agents, recorder
        await group.create()
        group.post(turn(1, 0.99), 0)
        changes = asyncio.create_task(group.play_changes())
        await asyncio.sleep(1.5)
        group.post(turn(2, 0.99), 0)
        await asyncio.sleep(0.501)
        group.post(turn(3, 0.5), 0)
        await changes
        await asyncio.sleep(1)

    lines = play(scene, bob=bob)
    sends = [line for line in lines if line["event"] == "client_send_started"]
    assert [(line["sender"], line["op"]) for line in sends] == [
        ("bob", "bob-2-00001-s"),
        ("carol", "carol-2-00002-s"),
        ("carol", "carol-2-00003-s"),
    ]
    assert all("recipient" not in line and line["conversation_id"] == "g:alice+bob" for line in sends)


def test_a_change_that_is_refused_stays_open(play: Play) -> None:
    """Nobody knows then who belongs to the audience, and nobody is told otherwise."""
    carol = ScriptedSession(errands=deque([Refused("unknown_group", http_status=404)]))

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del agents, recorder
        await group.create()
        await group.play_changes()
        group.post(turn(1, 0.99), 0)
        await asyncio.sleep(1)

    lines = play(scene, carol=carol)
    assert ("changing", "join", "carol", "carol") in memberships(lines)
    assert ("changed", "join", "carol", "carol") not in memberships(lines)
    assert [line["sender"] for line in lines if line["event"] == "client_send_started"] == ["alice"]


def test_a_group_that_cannot_be_made_is_told(play: Play) -> None:
    """Without it there is nothing to test, and that is no verdict on the service's promises."""

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del agents, recorder
        with pytest.raises(EnvironmentFault, match="no group for alice: http_404"):
            await group.create()

    play(scene, alice=ScriptedSession(errands=deque([Refused("http_404", http_status=404)])))


def test_an_errand_outlives_its_token(play: Play) -> None:
    """A request that is refused for the token is repeated with the next one."""
    alice = ScriptedSession(errands=deque([Refused("token_expired", http_status=401)]))

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del agents, recorder
        await group.create()

    lines = [line for line in play(scene, alice=alice) if line.get("device") == "alice/phone"]
    names = [line["event"] for line in lines if line["event"].startswith("token")]
    assert names == ["token_issued", "token_expired", "token_refresh_started", "token_refreshed"]
    assert alice.asked == [("create_group", "alice,bob")] * 2


def test_push_tokens_are_registered_and_known_by_reference(play: Play) -> None:
    """The token names its device, differs from run to run, and is in no event."""
    session = ScriptedSession(errands=deque([DOWN]))

    async def scene(group: GroupChat, agents: dict[str, DeviceAgent], recorder: Recorder) -> None:
        del group
        await register_push_tokens([agents["bob"]], recorder, seed=Seed(1), salt="s", key=b"key")
        with pytest.raises(EnvironmentFault, match="push token of carol/phone: too_large"):
            await register_push_tokens(agents.values(), recorder, seed=Seed(1), salt="s", key=b"key")

    carol = ScriptedSession(errands=deque([Refused("too_large", http_status=413)]))
    lines = play(scene, bob=session, carol=carol)
    token = session.asked[0][1]
    assert session.asked[:2] == [("register_push", token)] * 2
    assert token.startswith("up.bob.phone.")
    registered = [line for line in lines if line["event"] == "push_token_registered" and line["device"] == "bob/phone"]
    assert len(registered[0]["push_ref"]) == 12
    assert token not in json.dumps(lines)
    device = Device("bob/phone", "bob", "ios", "1")
    assert push_token(device, seed=Seed(1), salt="s") == token != push_token(device, seed=Seed(1), salt="t")


class Bare:
    """A session of a protocol without groups."""

    credential = "token"


def test_a_protocol_without_groups_is_a_mistake_of_the_scenario() -> None:
    """It gets a sentence with the way out, and no request is made."""
    with pytest.raises(UsageError, match="no group conversations"):
        as_groups(Bare())  # type: ignore[arg-type]
