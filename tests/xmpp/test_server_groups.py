"""Rooms and blocks on real servers, Prosody and ejabberd, where this machine has them."""

from __future__ import annotations

import pytest

from harness.drivers.api import Accepted, Bounced, Delivered, Group, Groups, Outgoing
from harness.testing.chat_servers import Server
from harness.testing.xmpp_meeting import DEVICES, PEOPLE, Meeting, Play, archive, items, says

pytestmark = pytest.mark.slow


def test_who_is_blocked_is_turned_back(server: Server, play: Play) -> None:
    """Bob's devices and bob's archive see nothing of it until the block is taken back; alice is told each time."""

    async def scene(met: Meeting) -> None:
        alice, bob = await met.connect("alice/phone"), await met.connect("bob/phone")
        assert isinstance(bob, Groups)
        assert await bob.block("alice") is None
        assert isinstance(await alice.send(**says(1)), Accepted)
        assert await items(alice, 1) == [Bounced("c1", "c1", "service_unavailable")]
        assert await bob.unblock("alice") is None
        assert isinstance(await alice.send(**says(2)), Accepted)
        assert [item.message_id for item in await items(bob, 1) if isinstance(item, Delivered)] == ["c2"]
        assert await archive(bob) == ["c2"]

    play(server, scene)


def test_a_room_has_everybodys_devices_in_it_and_an_archive(server: Server, play: Play) -> None:
    """Who logs in afresh is in again and reads up; the room's order is one for all; who left cannot write there."""

    async def scene(met: Meeting) -> None:
        alice, laptop, bob = [await met.connect(device) for device in DEVICES]
        made = await alice.create_group(["alice", "bob"])
        assert isinstance(made, Group)

        def posts(number: int) -> Outgoing:
            return Outgoing(f"g{number}", made.conversation_id, None, f"hello {number}", 0)

        assert await alice.send(posts(1), attempt=1) == Accepted("g1", made.conversation_id)
        wanted = Delivered("g1", "g1", made.conversation_id, "alice", "hello 1", via="live")
        assert [await items(session, 1) for session in (alice, laptop, bob)] == [[wanted]] * 3
        assert await bob.mark("g1", "delivered") is None
        await bob.close()
        assert isinstance(await alice.send(posts(2), attempt=1), Accepted)
        assert isinstance(await alice.send(**says(3)), Accepted)
        bob = await met.connect("bob/phone")
        assert sorted(await archive(bob)) == ["c3", "g1", "g2"]
        assert isinstance(await bob.send(posts(4), attempt=1), Accepted)
        stored = {name: [each async for each in met.driver.read_all(met.accounts[name], met.at)] for name in PEOPLE}
        in_room = {
            name: [(each.message_id, each.conversation_seq) for each in read if each.conversation_id != "alice+bob"]
            for name, read in stored.items()
        }
        assert in_room["alice"] == in_room["bob"]
        assert [name for name, _ in in_room["bob"]] == ["g1", "g2", "g4"]
        assert await bob.leave(made.conversation_id) is None
        await bob.send(posts(5), attempt=1)
        assert await bob.join(made.conversation_id) is None
        assert isinstance(await bob.send(posts(6), attempt=1), Accepted)
        assert sorted(await archive(alice)) == ["c3", "g1", "g2", "g4", "g6"]

    play(server, scene, rooms="groups.chat.test")
