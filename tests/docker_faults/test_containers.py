"""Containers that are parted and squeezed: felt inside, read back, and gone again."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest

from harness.faults.api import Fault

if TYPE_CHECKING:
    from harness.core.stack import StackSpec
    from harness.stacks.docker_stack import DockerStack

pytestmark = [pytest.mark.slow, pytest.mark.docker]

Launched = Callable[..., AbstractAsyncContextManager["DockerStack"]]
MEGABYTE = 1024 * 1024


async def ask(stack: DockerStack, path: str) -> str:
    """Ask the service directly, off the loop."""

    def read() -> str:
        with urllib.request.urlopen(f"{stack.direct_url('chat')}{path}", timeout=10) as answer:  # noqa: S310 - ours
            return bytes(answer.read()).decode()

    return await asyncio.to_thread(read)


def test_parted_services_find_each_other_again(
    launched: Launched, spec: StackSpec, fault: Callable[..., Fault]
) -> None:
    """While parted, one finds no way to the other; then it does, from the address it had."""

    async def live() -> None:
        async with launched(spec) as stack:
            there = f"/ask?{stack.url('chat->db')}/healthz"
            assert await ask(stack, there) == "fine"
            parted = fault(stack, "network.partition", "chat->db")
            before = await addresses(stack)
            await parted.apply()
            assert (await parted.installed()).holds
            assert "nothing" in await ask(stack, there)
            assert not (await parted.healed()).holds
            await parted.undo()
            await parted.undo()
            assert (await parted.healed()).holds
            assert await addresses(stack) == before
            assert await ask(stack, there) == "fine"

    asyncio.run(live())


async def addresses(stack: DockerStack) -> dict[str, str]:
    """The addresses of the service by network."""
    (chat,) = stack.instances("chat")
    networks = (await stack.containers.inspected(chat))["NetworkSettings"]["Networks"]
    return {name: found["IPAddress"] for name, found in networks.items()}


def test_a_starved_service_waits(launched: Launched, spec: StackSpec, fault: Callable[..., Fault]) -> None:
    """It is read back from the engine, and the kernel counts the periods in which the service had to wait."""

    async def live() -> None:
        async with launched(spec) as stack:
            starved = fault(stack, "resource.cpu", "chat", cpus=0.05)
            await starved.apply()
            assert (await starved.installed()).evidence == {"cpus": 0.05}
            await ask(stack, "/work?1")
            felt = await starved.undo()
            assert int(felt["throttled"] or 0) > 0
            assert (await starved.healed()).holds
            assert not (await starved.installed()).holds

    asyncio.run(live())


def test_a_service_short_of_memory_is_killed_and_comes_back(
    launched: Launched, spec: StackSpec, fault: Callable[..., Fault]
) -> None:
    """The kernel kills what wants more than its limit; undone, it takes what it wants."""

    async def live() -> None:
        async with launched(spec) as stack:
            squeezed = fault(stack, "resource.memory", "chat", headroom=4 * MEGABYTE)
            await squeezed.apply()
            assert (await squeezed.installed()).holds
            with pytest.raises(ConnectionError):
                await ask(stack, f"/take?{64 * MEGABYTE}")
            assert await stack.wait_exit("chat", 5)
            felt = await squeezed.undo()
            assert felt["oom_kills"] == 1
            assert (await squeezed.healed()).holds
            assert await ask(stack, f"/take?{64 * MEGABYTE}") == "taken"

    asyncio.run(live())
