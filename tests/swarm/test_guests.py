"""People who join a swarm one by one, and hear what becomes of their messages."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.swarm.config import to_json
from harness.testing.reference_chat import ReferenceChat

pytestmark = pytest.mark.slow
PATIENCE_S = 30


class Line:
    """The commander's end of a swarm's socket: one command after the other; what comes unasked is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self.heard: list[dict[str, Any]] = []

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Give a command and return its answer."""
        self._number += 1
        self._writer.write(msgspec.json.encode({"id": self._number, "do": do, **fields}) + b"\n")
        while (message := await self._next()).get("id") != self._number:
            self.heard.append(message)
        return message

    async def arrived(self) -> dict[str, Any]:
        """Return the next message that reached somebody."""
        while not (found := [message["heard"] for message in self.heard if "heard" in message]):
            self.heard.append(await self._next())
        self.heard.clear()
        return dict(found[0])

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()

    async def _next(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(await self._reader.readline()))


def commanded(swarm: Any, config: Any, script: Any) -> Any:
    """Let a script command the swarm, and end it in order."""

    async def whole() -> Any:
        line = Line(*await asyncio.open_connection(sock=swarm.control))
        async with asyncio.timeout(PATIENCE_S):
            assert (await line.ask("configure", **to_json(config)))["ok"]
            assert (await line.ask("provision", within_s=10))["ok"]
            found = await script(line)
            assert (await line.ask("stop"))["ok"]
            await line.close()
        return found

    return asyncio.run(whole())


@pytest.fixture
def guests(cast: Any, chat: ReferenceChat) -> Any:
    """A configuration of nobody, for guests."""
    return replace(cast(chat.url).config(), people=(), workloads=(), guests=True)


def test_a_guest_learns_what_became_of_a_message(swarm: Any, guests: Any) -> None:
    """The answer has id and attempts; the other one hears the text once, and the history has it all."""

    async def script(line: Line) -> tuple[Any, ...]:
        for person in ("u0-0001", "u0-0002"):
            assert (await line.ask("join", person=person, within_s=10))["ok"]
        sent = await line.ask("write", person="u0-0001", to="u0-0002", body="hello", within_s=10)
        arrived = await line.arrived()
        synced = await line.ask("catch_up", person="u0-0002", within_s=10)
        return sent, arrived, synced

    sent, arrived, synced = commanded(swarm, guests, script)
    assert (sent["accepted"], sent["attempts"]) == (True, 1)
    assert sent["ms"] > 0
    assert (arrived["person"], arrived["sender"], arrived["text"]) == ("u0-0002", "u0-0001", "hello")
    assert arrived["message_id"] == sent["message_id"]
    assert synced["synced"] is True
    assert swarm.wait() == 0
    (accepted,) = [event for event in swarm.events() if event["event"] == "server_accepted"]
    assert accepted["client_message_id"] == sent["client_message_id"]


def test_who_was_away_hears_it_on_coming_back(swarm: Any, guests: Any) -> None:
    """A message to somebody offline is accepted, and reaches them with their next sync; no second account is made."""

    async def script(line: Line) -> Any:
        for person in ("u0-0001", "u0-0002"):
            await line.ask("join", person=person, within_s=10)
        await line.ask("leave", device="u0-0002/phone")
        sent = await line.ask("write", person="u0-0001", to="u0-0002", body="are you there?", within_s=10)
        assert sent["accepted"]
        assert [message for message in line.heard if "heard" in message] == []
        assert (await line.ask("join", person="u0-0002", within_s=10))["ok"]
        return await line.arrived()

    arrived = commanded(swarm, guests, script)
    assert arrived["text"] == "are you there?"
    synced = [event for event in swarm.events() if event["event"] == "recipient_synced"]
    assert [event["device"] for event in synced] == ["u0-0002/phone"]


def test_a_stranger_is_a_mistake_and_a_slow_answer_is_no_failure(swarm: Any, guests: Any, chat: ReferenceChat) -> None:
    """Writing to nobody is refused in a sentence; what is still on its way when the time is over is said to be."""

    async def script(line: Line) -> tuple[Any, ...]:
        await line.ask("join", person="u0-0001", within_s=10)
        await line.ask("join", person="u0-0002", within_s=10)
        stranger = await line.ask("write", person="u0-0001", to="nobody", body="?", within_s=10)
        chat.end(signal.SIGKILL)
        late = await line.ask("write", person="u0-0001", to="u0-0002", body="?", within_s=0.5)
        return stranger, late

    stranger, late = commanded(swarm, guests, script)
    assert (stranger["ok"], "nobody" in stranger["error"]) == (False, True)
    assert (late["ok"], late["accepted"], late["error_code"]) == (True, False, "no_answer_yet")
