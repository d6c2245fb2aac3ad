"""What has died in the middle of a run is named, with its last words."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.vigil import Died, all_alive
from harness.proxy.api import ProxyUnavailable
from harness.stacks.api import ServiceState
from harness.testing.fakes import FakeStack, fake_stack


@pytest.fixture
def stack(tmp_path: Path) -> FakeStack:
    """A stack with a chat and a push provider that share one fate."""
    (tmp_path / "chat.log").write_text("out of memory\n")
    (tmp_path / "push.log").write_text("no room for events\n")
    made = fake_stack()
    made.logs = tmp_path
    made.spec = replace(made.spec, providers={"push": "unipush"})
    return made


def test_a_stack_that_runs_is_left_alone(stack: FakeStack) -> None:
    """Nothing is raised."""
    asyncio.run(all_alive(stack))


@pytest.mark.parametrize(
    ("besides", "code", "words"),
    [
        ((), "service_died", ["service chat", "status -9", "out of memory"]),
        (("chat",), "provider_died", ["provider push (unipush)", "status -9", "no room for events"]),
    ],
)
def test_the_dead_part_is_named(stack: FakeStack, besides: tuple[str, ...], code: str, words: list[str]) -> None:
    """Who it was, how it ended, and the end of its log; one that a fault took down is not meant."""
    stack.chat = ServiceState(running=False, pid=100, started_ns=1, exit_status=-9)
    with pytest.raises(Died) as told:
        asyncio.run(all_alive(stack, besides=besides))
    assert told.value.code == code
    assert [word for word in words if word not in str(told.value)] == []


def test_of_several_replicas_the_last_words_are_those_of_the_one_that_wrote_last(stack: FakeStack) -> None:
    """Each replica has a log of its own, and none has the service's name alone."""
    (stack.logs / "chat.log").rename(stack.logs / "chat.2.log")
    (stack.logs / "chat.1.log").write_text("all is well\n")
    os.utime(stack.logs / "chat.1.log", (1, 1))
    stack.chat = ServiceState(running=False, pid=100, started_ns=1, exit_status=-9)
    with pytest.raises(Died, match="out of memory"):
        asyncio.run(all_alive(stack))


def test_a_dead_proxy_is_told(stack: FakeStack) -> None:
    """As the proxy's own error."""
    stack.link("client->chat").dead = True
    with pytest.raises(ProxyUnavailable):
        asyncio.run(all_alive(stack))
