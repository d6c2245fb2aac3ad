"""Finding the compose tool and asking it what a project is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.core.errors import EnvironmentFault, UsageError
from harness.stacks.compose_cli import PLUGIN, STANDALONE, find_compose


def tool(folder: Path, name: str, script: str) -> None:
    """Put a program on the test's own PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("docker", "expected"),
    [("exit 0", PLUGIN), ("echo unknown command >&2; exit 1", STANDALONE), (None, STANDALONE)],
    ids=["plugin", "docker without it", "no docker"],
)
def test_the_plugin_is_preferred(tmp_path: Path, docker: str | None, expected: tuple[str, ...]) -> None:
    """The older tool is taken where the docker command has no plugin, or is missing."""
    tool(tmp_path, "docker-compose", "exit 0")
    if docker is not None:
        tool(tmp_path, "docker", docker)
    assert asyncio.run(find_compose({"PATH": str(tmp_path)})).command == expected


def test_no_tool_is_told_with_the_way_to_get_one(tmp_path: Path) -> None:
    """One sentence."""
    with pytest.raises(EnvironmentFault, match="there is no compose tool on this machine") as told:
        asyncio.run(find_compose({"PATH": str(tmp_path)}))
    assert "apt-get install docker-compose" in told.value.hint


def test_a_project_is_read_as_the_tool_understands_it(tmp_path: Path) -> None:
    """Its answer, and the folder's name where the older tool tells none; the environment is the user's."""
    tool(tmp_path, "docker-compose", 'case "$1" in version) ;; *) echo "services: {web: {image: $IMAGE}}"; esac')
    found = asyncio.run(find_compose({"PATH": f"{tmp_path}:/bin", "IMAGE": "web:7"}))
    file = tmp_path / "shop" / "compose.yaml"
    assert asyncio.run(found.config([file])) == {"name": "shop", "services": {"web": {"image": "web:7"}}}


def test_a_file_that_the_tool_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    """A user's mistake, not an error of the environment."""
    tool(tmp_path, "docker-compose", 'case "$1" in version) ;; *) echo "services.web has no image" >&2; exit 15; esac')
    found = asyncio.run(find_compose({"PATH": f"{tmp_path}:/bin"}))
    with pytest.raises(UsageError, match=r"services\.web has no image"):
        asyncio.run(found.config([tmp_path / "compose.yaml"]))
