"""Every fault kind: applied, read back, undone, and honest about it."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

import pytest

from harness.core.events import Scalar
from harness.core.plan import FaultPlan, ParamValue, Start
from harness.faults.api import Fault, World
from harness.faults.group import bind
from harness.faults.registry import kinds
from harness.proxy.api import ProxyUnavailable
from harness.stacks.api import Limits
from harness.testing.fakes import FakePeople, FakeStack, fake_stack

PARAMS = {
    "network.latency": {"latency": 0.2, "jitter": 0.05},
    "network.bandwidth": {"per_second": 4000},
    "network.slicing": {"size": 16, "pause": 0.01},
    "network.slow_close": {"delay": 0.5},
    "network.reset": {"delay": 0.0},
    "network.cut_after_bytes": {"bytes": 300},
    "network.flapping": {"down": 5.0, "up": 5.0},
    "process.rolling_restart": {"restart_after": 0.1, "times": 3},
    "clock.device": {"offset": -300.0},
    "clock.server": {"offset": 3600.0},
    "rate_limit.lower": {"scope": "user", "limit": 2.0},
    "push.reject": {"answer": "throttled", "share": 1.0, "retry_after": 2.0, "device": None},
}
TARGETS = {"link": "client->chat", "service": "chat", "person": "alice", "device": "alice/phone", "provider": "push"}
IN_CONTAINERS = frozenset(
    {"network.partition", "resource.cpu", "resource.memory", "storage.full", "process.power_loss"}
)
"""Those that need an engine are tested with one (tests/docker_faults)."""
ALL = sorted(set(kinds()) - IN_CONTAINERS)
NETWORK = sorted(kind for kind in ALL if kinds()[kind].targets == "link")
RESTARTED = ("process.kill", "process.restart", "process.stop", "process.rolling_restart")
UNDONE = sorted(set(ALL) - {"token.expire", "token.revoke", "process.pause", *RESTARTED})
"""Kinds that leave everything as it was; a restarted process is another one, an ended token stays ended."""


def make(kind: str, stack: FakeStack, target: str = "") -> Fault:
    """A fault of a kind, bound to a fake stack; on that kind's usual target if none is given."""
    spec = kinds()[kind]
    params: dict[str, ParamValue] = dict(PARAMS.get(kind, {}))
    plan = FaultPlan("f", kind, target or TARGETS[spec.targets], Start(at_s=0.0), None, params)
    return bind(spec, plan, World(stack, FakePeople()))


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_declares_what_its_scenarios_may_say(kind: str) -> None:
    """The parameters used here are exactly those declared, and required ones have no default."""
    declared = kinds()[kind].params
    assert set(PARAMS.get(kind, {})) <= set(declared)
    assert {name for name, param in declared.items() if param.required} <= set(PARAMS.get(kind, {}))
    assert all(param.default is None for param in declared.values() if param.required)


@pytest.mark.parametrize("kind", UNDONE)
def test_what_is_undone_is_read_back_before_and_after(kind: str) -> None:
    """Installed after apply, healed after undo, never both; undoing twice is harmless."""
    stack = fake_stack()

    async def live() -> list[bool]:
        fault = make(kind, stack)
        await fault.apply()
        in_place = [(await fault.installed()).holds, (await fault.healed()).holds]
        await fault.undo()
        await fault.undo()
        return [*in_place, (await fault.installed()).holds, (await fault.healed()).holds]

    assert asyncio.run(live()) == [True, False, False, True]


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

    async def live() -> None:
        fault = make(kind, stack)
        await fault.apply()
        stack.link("client->chat").dead = True
        await fault.undo()

    with pytest.raises(ProxyUnavailable):
        asyncio.run(live())


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


@pytest.mark.parametrize("kind", RESTARTED)
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
    assert stack.chat.pid == (103 if kind == "process.rolling_restart" else 101)


@pytest.mark.parametrize("kind", RESTARTED)
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


def test_a_frozen_service_runs_and_does_not_answer() -> None:
    """Running is not answering; thawed, it answers."""
    stack = fake_stack()

    async def live() -> list[bool]:
        fault = make("process.pause", stack)
        stack.sick = True
        frozen = (await fault.installed()).holds
        stack.sick = False
        return [frozen, (await fault.installed()).holds, (await fault.healed()).holds]

    assert asyncio.run(live()) == [True, False, True]


@pytest.mark.parametrize("kind", ["token.expire", "token.revoke"])
def test_ending_tokens_that_nobody_holds_is_not_installed(kind: str) -> None:
    """A person without a token cannot be thrown out."""
    stack = fake_stack()
    stack.control.tokens = {"bob": 1}

    async def live(fault: Fault) -> bool:
        await fault.apply()
        return (await fault.installed()).holds

    assert asyncio.run(live(make(kind, stack, "alice"))) is False
    assert asyncio.run(live(make(kind, stack, "bob"))) is True


def test_lowering_twice_restores_what_was_there_first() -> None:
    """A repeated command does not take its own effect for the original state."""
    stack = fake_stack()
    stack.control.in_force = Limits(per_user=50.0, overall=None)

    async def live() -> Limits:
        fault = make("rate_limit.lower", stack)
        await fault.apply()
        await fault.apply()
        await fault.undo()
        return await stack.control.limits()

    assert asyncio.run(live()) == Limits(per_user=50.0, overall=None)


def test_a_flapping_line_is_open_when_it_is_over() -> None:
    """However often it was cut, and whatever it was just doing."""
    stack = fake_stack()

    async def live() -> dict[str, Scalar]:
        plan = FaultPlan("f", "network.flapping", "client->chat", Start(at_s=0.0), None, {"down": 0.001, "up": 0.001})
        fault = bind(kinds()["network.flapping"], plan, World(stack, FakePeople()))
        await fault.apply()
        await asyncio.sleep(0.05)
        return dict(await fault.undo())

    assert int(asyncio.run(live())["cuts"]) > 1
    assert stack.link("client->chat").enabled
