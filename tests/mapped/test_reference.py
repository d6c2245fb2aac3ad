"""Our own protocol, described in a mapping file, comes to the same verdicts as the driver that is written for it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.core.places import scenarios_folder
from harness.drivers.api import Accepted, Device, Driver, Endpoint, Groups, Outgoing, Page, Person, Refused, Session
from harness.drivers.registry import driver
from harness.scenario.stackfile import load_stack
from harness.testing.reference_chat import ReferenceChat, reference_chat

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PHONE = Device("alice/phone", "alice", "ios", "1.0.0")


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceChat]:
    """A healthy chat that the tests share."""
    with reference_chat(tmp_path_factory.mktemp("chat")) as running:
        yield running


def both() -> list[Driver]:
    """The mapped driver and the written one."""
    spec = load_stack(str(EXAMPLES / "mapping-stack.yaml"))
    return [driver(spec.driver, spec.driver_options), driver("reference", {})]


def test_both_drivers_can_do_the_same() -> None:
    """What a scenario may need is there by mapping, too, but for messages to single devices."""
    mapped, written = both()
    assert written.capabilities - mapped.capabilities == {"to_device"}
    assert mapped.capabilities <= written.capabilities
    assert mapped.rejected_without_effect == written.rejected_without_effect


def test_both_drivers_tell_the_same(chat: ReferenceChat) -> None:
    """Each outcome of a small conversation is equal but for the ids that the service makes up."""

    async def scene(one: Driver, name: str) -> list[object]:
        at = Endpoint(chat.url, chat.url)
        device = Device(f"{name}/phone", name, "ios", "1.0.0")
        people = [Person(name, name, (device,)), Person(f"{name}-friend", name, ())]
        accounts = await one.provision(people, at)
        session = await one.connect(accounts[name], device, at, clock=SystemClock())
        assert not isinstance(session, Refused)
        told = [each async for each in tell(session, name)]  # type: ignore[arg-type] - narrowed above
        told.append([stored.body async for stored in one.read_all(accounts[name], at)])
        return told

    async def tell(session: Session, name: str) -> Iterator[object]:  # type: ignore[misc] - an async generator
        friend, conversation = f"{name}-friend", ":".join(["d", name, f"{name}-friend"])
        for over in ("websocket", "http"):
            answer = await session.send(Outgoing(f"c-{over}", conversation, friend, "hi", 0, over), attempt=1)
            assert isinstance(answer, Accepted)
            yield answer.conversation_seq, answer.conversation_id.replace(name, "N")
            yield await session.send(Outgoing(f"x-{over}", "d:x", "nobody-there", "hi", 0, over), attempt=1)
            yield await session.send(Outgoing(f"y-{over}", conversation, friend, "x" * 20_000, 0, over), attempt=1)
        page = await session.sync(None)
        assert isinstance(page, Page)
        yield [(item.body, item.sender == name, item.conversation_seq) for item in page.items], page.more
        again = await session.sync(page.cursor)
        assert isinstance(again, Page)
        yield again.items, again.cursor == page.cursor
        yield await session.mark(page.items[0].message_id, "delivered")
        yield await session.mark("no-such-message", "read")
        yield type(await session.refresh())
        assert isinstance(session, Groups)
        group = await session.create_group([name, friend])
        yield type(group)
        yield await session.leave(group.conversation_id)  # type: ignore[union-attr] - the type was told
        yield await session.join("g:no/such")
        yield await session.block(friend)
        yield await session.register_push("up.token")
        yield await session.register_push(None)
        await session.close()
        yield await session.sync(None)

    async def play() -> None:
        mapped, written = both()
        async with asyncio.timeout(20):
            assert await scene(mapped, "mia") == await scene(written, "wim")

    asyncio.run(play())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "mutant", "verdict", "check"),
    [
        ("lost-answer", None, "pass", None),
        ("server-crash-mid-chat", "ack_before_store", "fail", "acked_never_lost"),
        ("token-expired-while-typing", None, "pass", None),
        ("sent-is-not-delivered", "receipt_before_delivery", "fail", "sent_not_delivered"),
    ],
)
def test_the_catalogue_comes_to_the_same_verdicts(
    tmp_path: Path, scenario: str, mutant: str | None, verdict: str, check: str | None
) -> None:
    """Scenarios pass against the healthy backend, and mutants are caught by the check that has to catch them."""
    words = ["run", str(scenarios_folder() / f"{scenario}.chaos.yaml"), "--json"]
    words += ["--stack", str(EXAMPLES / "mapping-stack.yaml"), *(["--mutant", mutant] if mutant else [])]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    [run] = json.loads(done.stdout)["runs"]
    assert run["verdict"] == verdict, run["reasons"]
    failing = [one["id"] for one in run["checks"] if one["verdict"] == "fail"]
    assert check is None or check in failing
