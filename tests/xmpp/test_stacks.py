"""The stack files of Prosody and ejabberd: what the driver is given, and which scenarios they can play."""

from __future__ import annotations

import asyncio

import pytest

from harness.core.places import scenarios_folder
from harness.drivers.registry import driver
from harness.engine.session import unsupported
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack
from harness.stacks.filling import fill
from harness.stacks.health import wait_until_ok
from harness.testing.xmpp_server import MECHANISMS, Wire, xmpp_server

NOTHING: list[str] = []
PATIENCE_S = 10


@pytest.mark.parametrize(("stack", "push"), [("prosody", True), ("ejabberd", False)])
def test_the_driver_takes_the_options_of_the_stack(stack: str, push: bool) -> None:
    """Once parameters are filled in; what a stack declares its driver can do."""
    spec = load_stack(stack)
    known = {f"parameters.{name}": value for name, value in spec.parameters.items()}
    options = {name: fill(text, known, environment={}, where="driver") for name, text in spec.driver_options.items()}
    made = driver(spec.driver, options)
    assert (made.kind, "push" in made.capabilities) == ("xmpp", push)
    assert spec.capabilities <= made.capabilities
    assert spec.promises.idempotency_window_s == 0


@pytest.mark.parametrize(
    ("stack", "scenario", "reasons"),
    [
        ("prosody", "lost-answer", NOTHING),
        ("prosody", "push-link-cut", NOTHING),
        ("prosody", "sent-is-not-delivered", NOTHING),
        ("prosody", "everybody-at-once", NOTHING),
        ("prosody", "joined-late", ["stack prosody has no membership"]),
        ("prosody", "blocked-in-mid-chat", ["stack prosody has no blocks"]),
        ("ejabberd", "lost-answer", NOTHING),
        ("ejabberd", "push-link-cut", ["stack ejabberd has no push"]),
    ],
)
def test_what_a_server_cannot_do_is_named(stack: str, scenario: str, reasons: list[str]) -> None:
    """A capability that it lacks; everything else is played."""
    [plan, *_] = load_scenarios([scenarios_folder() / f"{scenario}.chaos.yaml"])
    found = unsupported(plan, load_stack(stack), launcher="embedded")
    assert found[: len(reasons) or None] == reasons


def test_a_server_is_healthy_when_it_opens_a_stream() -> None:
    """One that answers something else, or hangs up, is not."""

    async def greets(wire: Wire) -> None:
        await wire.opens(MECHANISMS)

    async def web(wire: Wire) -> None:
        wire.says("HTTP/1.1 400 Bad Request\r\n\r\n")

    async def ask() -> list[str | None]:
        seen = []
        for scene, within_s in ((greets, PATIENCE_S), (web, 0)):
            async with xmpp_server(scene) as at:
                port = int(at.chat.rpartition(":")[2])
                seen.append(await wait_until_ok("127.0.0.1", port, "xmpp:chat.test", within_s))
        return seen

    greeted, strange = asyncio.run(ask())
    assert greeted is None
    assert strange in {"an answer that is no XMPP stream", "connection lost", "no answer"}
