"""Every fault kind: applied, read back, undone, and honest about it."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

import pytest

from harness.core.plan import FaultPlan, Start
from harness.faults.api import Fault, World
from harness.faults.group import bind
from harness.faults.registry import kinds
from harness.proxy.api import ProxyUnavailable
from harness.testing.fakes import FakePeople, FakeStack, fake_stack

PARAMS = {"network.latency": {"latency": 0.2, "jitter": 0.05}, "network.reset": {"delay": 0.0}}
NETWORK = sorted(kind for kind, spec in kinds().items() if spec.targets == "link")
PROCESS = sorted(kind for kind, spec in kinds().items() if spec.targets == "service")


def make(kind: str, stack: FakeStack, target: str = "client->chat") -> Fault:
    """A fault of a kind, bound to a fake stack."""
    return bind(
        kinds()[kind],
        FaultPlan("f", kind, target, Start(at_s=0.0), None, dict(PARAMS.get(kind, {}))),
        World(stack, FakePeople()),
    )


@pytest.mark.parametrize("kind", NETWORK)
def test_a_network_fault_is_read_back_and_leaves_nothing(kind: str) -> None:
    """Installed after apply, not healed while in place, healed after undo, and the link is as before."""
    stack = fake_stack()
    before = asyncio.run(stack.link("client->chat").state())

    async def live() -> list[bool]:
        fault = make(kind, stack)
        await fault.apply()
        in_place = [(await fault.installed()).holds, (await fault.healed()).holds]
        await fault.undo()
        return [*in_place, (await fault.installed()).holds, (await fault.healed()).holds]

    assert asyncio.run(live()) == [True, False, False, True]
    assert asyncio.run(stack.link("client->chat").state()) == before


@pytest.mark.parametrize("kind", NETWORK)
def test_a_command_without_effect_is_not_taken_for_installed(kind: str) -> None:
    """A proxy that answers and does nothing is found out by the read-back."""
    stack = fake_stack()
    stack.link("client->chat").deaf = True

    async def live() -> bool:
        fault = make(kind, stack)
        await fault.apply()
        return (await fault.installed()).holds

    assert asyncio.run(live()) is False


@pytest.mark.parametrize("kind", NETWORK)
def test_a_dead_proxy_is_said(kind: str) -> None:
    """The undo does not pretend when nobody answers."""
    stack = fake_stack()
    fault = make(kind, stack)
    asyncio.run(fault.apply())
    stack.link("client->chat").dead = True
    with pytest.raises(ProxyUnavailable):
        asyncio.run(fault.undo())


@pytest.mark.parametrize("kind", NETWORK)
def test_a_stranger_can_undo_it(kind: str) -> None:
    """The journaled commands name the proxy's API, the proxy and, for toxics, exactly those installed."""
    stack = fake_stack()
    fault = make(kind, stack)
    asyncio.run(fault.apply())
    commands = fault.undo_commands()
    toxics = set(stack.link("client->chat").toxics)
    assert {unquote(command.url).rpartition("/")[2] for command in commands} == (toxics or {"client->chat"})
    assert all(command.url.startswith("http://127.0.0.1:8474/proxies/client-%3Echat") for command in commands)
    assert toxics or [json.loads(command.body) for command in commands] == [{"enabled": True}]


def test_latency_is_what_a_round_trip_gains() -> None:
    """Half of it goes on each direction, in whole milliseconds."""
    stack = fake_stack()
    asyncio.run(make("network.latency", stack).apply())
    found = {toxic.stream: dict(toxic.attributes) for toxic in stack.link("client->chat").toxics.values()}
    assert found == {"upstream": {"latency": 100, "jitter": 25}, "downstream": {"latency": 100, "jitter": 25}}


def test_a_cut_of_the_link_also_cuts_peoples_own_edges() -> None:
    """Someone with a proxy of their own is not spared, and everything is undone."""
    stack = fake_stack("client->chat", "client:alice->chat", "client->auth")

    async def live() -> tuple[list[bool], bool]:
        fault = make("network.down", stack)
        await fault.apply()
        cut = [stack.link(name).enabled for name in stack.links()]
        await fault.undo()
        return cut, (await fault.healed()).holds

    assert asyncio.run(live()) == ([False, False, True], True)


def test_a_fault_on_one_persons_edge_spares_the_others() -> None:
    """Only the named edge is touched."""
    stack = fake_stack("client->chat", "client:alice->chat")
    asyncio.run(make("network.down", stack, "client:alice->chat").apply())
    assert [stack.link(name).enabled for name in stack.links()] == [True, False]


@pytest.mark.parametrize("kind", PROCESS)
def test_a_process_fault_ends_and_restarts_the_service(kind: str) -> None:
    """Installed when the old process is gone, healed when another one answers."""
    stack = fake_stack()

    async def live() -> list[bool]:
        fault = make(kind, stack, "chat")
        await fault.apply()
        down = [(await fault.installed()).holds, (await fault.healed()).holds]
        await fault.undo()
        return [*down, (await fault.healed()).holds]

    assert asyncio.run(live()) == [True, False, True]
    assert stack.chat.pid == 101


@pytest.mark.parametrize("kind", PROCESS)
def test_a_service_that_never_answers_again_is_not_healed(kind: str) -> None:
    """A running process is not enough."""
    stack = fake_stack()

    async def live() -> bool:
        fault = make(kind, stack, "chat")
        await fault.apply()
        stack.sick = True
        await fault.undo()
        return (await fault.healed()).holds

    assert asyncio.run(live()) is False
