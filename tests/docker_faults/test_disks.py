"""Disks of containers that are filled up, or lose their power."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
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


@pytest.fixture
def on_a_disk(spec: StackSpec) -> StackSpec:
    """The stack with a disk of its own for the service's data."""
    chat = spec.services["chat"]
    assert chat.docker is not None
    docker = replace(chat.docker, disk=32 * MEGABYTE)
    return replace(spec, services={**spec.services, "chat": replace(chat, docker=docker)})


def test_a_full_disk_takes_nothing_until_there_is_room(
    launched: Launched, on_a_disk: StackSpec, fault: Callable[..., Fault]
) -> None:
    """The service's writes fail for want of room, and work again after the undo."""

    async def live() -> None:
        async with launched(on_a_disk) as stack:
            assert await ask(stack, f"/write?{MEGABYTE}") == "written"
            full = fault(stack, "storage.full", "chat")
            assert await full.apply() == {"write_failed": "ENOSPC"}
            assert (await full.installed()).evidence == {"free_bytes": 0}
            assert await ask(stack, f"/write?{MEGABYTE}") == "nothing: No space left on device"
            assert not (await full.healed()).holds
            await full.undo()
            await full.undo()
            assert (await full.healed()).holds
            assert await ask(stack, f"/write?{MEGABYTE}") == "written"

    asyncio.run(live())


def test_only_what_was_synced_outlives_a_loss_of_power(
    launched: Launched, on_a_disk: StackSpec, fault: Callable[..., Fault]
) -> None:
    """What the service has written and synced is there when it starts again; what it has only written is not."""

    async def live() -> None:
        async with launched(on_a_disk) as stack:
            await ask(stack, "/sync?early")
            await ask(stack, "/store?late")
            assert await ask(stack, "/read?late") == "late"
            loss = fault(stack, "process.power_loss", "chat")
            assert (await loss.apply())["gone"]
            assert (await loss.installed()).holds
            await loss.undo()
            assert (await loss.healed()).holds
            assert await ask(stack, "/read?early") == "early"
            assert await ask(stack, "/read?late") in {"", "nothing: No such file or directory"}

    asyncio.run(live())
