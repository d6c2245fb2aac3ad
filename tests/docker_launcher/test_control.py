"""Several control ports as one."""

from __future__ import annotations

import asyncio

import pytest

from harness.core.errors import ControlUnavailable
from harness.stacks.api import Limits
from harness.stacks.docker_control import ReplicatedControl
from harness.testing.fakes import FakeControl


class Dead(FakeControl):
    """A replica that is down."""

    async def valid_tokens(self, person: str) -> int:
        """Fail as a port that nobody listens on."""
        raise ControlUnavailable(f"nobody knows of {person}")


def test_limits_are_those_of_every_replica() -> None:
    """They are set on each, and read back only where all agree."""
    one, two = FakeControl(), FakeControl()
    both = ReplicatedControl([one, two])
    asyncio.run(both.set_limits(Limits(2.0, None)))
    assert one.in_force == two.in_force == asyncio.run(both.limits()) == Limits(2.0, None)
    two.in_force = Limits(3.0, None)
    with pytest.raises(ControlUnavailable, match="different limits"):
        asyncio.run(both.limits())


def test_tokens_are_shared_so_one_replica_is_asked() -> None:
    """The first that answers tells or ends them; with none alive the call fails."""
    alive = FakeControl(tokens={"alice": 2})
    assert asyncio.run(ReplicatedControl([Dead(), alive]).valid_tokens("alice")) == 2
    assert asyncio.run(ReplicatedControl([alive, FakeControl()]).expire_tokens("alice")) == 2
    assert asyncio.run(ReplicatedControl([FakeControl(), alive]).revoke_tokens("bob")) == 0
    with pytest.raises(ControlUnavailable):
        asyncio.run(ReplicatedControl([Dead(), Dead()]).valid_tokens("alice"))


def test_a_moved_clock_counts_once_all_replicas_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas that differ are asked again until they agree, and never agreeing is an error."""
    ahead, late = FakeControl(offset_ns=3_600_000_000_000), FakeControl()
    both = ReplicatedControl([ahead, late])

    async def follows() -> int:
        asyncio.get_running_loop().call_later(0.1, setattr, late, "offset_ns", ahead.offset_ns)
        return await both.wall_ns()

    found = asyncio.run(follows())
    assert late.offset_ns == ahead.offset_ns
    assert abs(found - asyncio.run(ahead.wall_ns())) < 60_000_000_000
    late.offset_ns = 0
    monkeypatch.setattr("harness.stacks.docker_control.AGREE_WITHIN_S", 0.1)
    with pytest.raises(ControlUnavailable, match="clocks differ"):
        asyncio.run(both.wall_ns())
