"""What a stack is made of and this machine may lack."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.core.errors import EnvironmentFault
from harness.core.stack import StackSpec
from harness.scenario.stackfile import load_stack
from harness.stacks.api import Order
from harness.stacks.embedded import EmbeddedLauncher
from harness.stacks.presence import absent, optional
from harness.stacks.watcher_client import Watcher

STACK = """\
version: 1
name: mine
driver: {{kind: reference}}
parameters: {{root: {{default: "{root}"}}}}
services:
  chat:
    embedded: {{run: [chatd], requires: [chatd, "${{parameters.root}}/chatd-*/lib"], install: apt-get install chatd}}
links: {{"client->chat": {{}}}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> StackSpec:
    """A stack of a program and its library."""
    file = tmp_path / "mine.yaml"
    file.write_text(STACK.format(root=tmp_path))
    return load_stack(str(file))


def test_programs_and_paths_are_looked_for(spec: StackSpec, tmp_path: Path) -> None:
    """A program on the PATH, then a path by its pattern; what is missing is named with the way to get it."""
    environment = {"PATH": str(tmp_path)}
    assert str(absent(spec, "embedded", environment)) == (
        "stack mine needs chatd, which this machine lacks: apt-get install chatd"
    )
    (tmp_path / "chatd").touch(mode=0o755)
    assert str(absent(spec, "embedded", environment)).startswith(f"stack mine needs {tmp_path}/chatd-*/lib, which")
    (tmp_path / "chatd-1.0" / "lib").mkdir(parents=True)
    assert absent(spec, "embedded", environment) is None
    assert str(absent(spec, "docker", environment)) == "stack mine has no form for containers"


def test_only_servers_that_come_along_may_be_left_out(spec: StackSpec) -> None:
    """The reference backend is for everybody, and a user's own stack is what the user wants."""
    assert [optional(each) for each in (load_stack("prosody"), load_stack("reference"), spec)] == [True, False, False]


def test_an_environment_that_is_not_made_yet_is_absent(tmp_path: Path) -> None:
    """Making it takes minutes: that is for whoever names the stack."""
    found = absent(
        load_stack("synapse", parameters={"version": "1.2.3"}), "embedded", {"XDG_CACHE_HOME": str(tmp_path)}
    )
    assert str(found) == (
        "stack synapse: matrix-synapse 1.2.3 is not installed yet: a run with --stack synapse does that, once"
    )


def test_who_chose_the_stack_is_told_before_anything_starts(spec: StackSpec, tmp_path: Path) -> None:
    """An error with the way out, instead of a program that could not be started."""

    async def launch() -> None:
        async with Watcher.start(tmp_path / "journal.jsonl", run="test") as watcher:
            order = Order(spec=spec, processes=watcher, run="test", folder=tmp_path, key="00")
            async with EmbeddedLauncher(environment={"PATH": str(tmp_path)}).launch(order):
                pass

    with pytest.raises(EnvironmentFault, match="stack mine needs chatd") as told:
        asyncio.run(launch())
    assert told.value.hint == "apt-get install chatd"
