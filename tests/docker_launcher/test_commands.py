"""What the command line says of container engines."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.core.places import scenarios_folder
from harness.stacks import docker_labels

if TYPE_CHECKING:
    from docker.client import DockerClient

COMMAND = [sys.executable, "-m", "harness.cli.main"]


def chaos(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``chat-chaos`` in a folder."""
    env = {**os.environ, **environment}
    return subprocess.run(
        [*COMMAND, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=90, check=False
    )


def test_without_an_engine_a_run_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    """No run is begun: exit 3, what is missing, and the way to get it."""
    scenario = str(scenarios_folder() / "lost-answer.chaos.yaml")
    told = chaos(tmp_path, "run", scenario, "--launcher", "docker", DOCKER_HOST=f"unix://{tmp_path}/none")
    assert told.returncode == 3
    assert told.stdout == ""
    what, hint = told.stderr.strip().splitlines()
    assert "container engine" in what
    assert "docker.io" in hint
    assert list(tmp_path.iterdir()) == []


def test_pruning_without_an_engine_says_so(tmp_path: Path) -> None:
    """Folders are cleared away all the same."""
    told = chaos(tmp_path, "stack", "prune", DOCKER_HOST=f"unix://{tmp_path}/none", TMPDIR=str(tmp_path))
    assert told.returncode == 0
    assert "containers were not looked for" in told.stdout


@pytest.mark.docker
def test_pruning_removes_what_dead_runs_left(
    tmp_path: Path, engine: DockerClient, left: Callable[[str], list[str]]
) -> None:
    """A network and a volume of an owner that is no more go; those of a living one stay."""
    dead, living = (f"test-{secrets.token_hex(4)}" for _ in range(2))
    owner = docker_labels.owner()
    owners = {dead: {**owner, docker_labels.OWNER_START: "1"}, living: owner}
    try:
        for run, labels in owners.items():
            engine.api.create_volume(f"cc-{run}", labels={**labels, docker_labels.RUN: run})
            engine.api.create_network(f"cc-{run}", internal=True, labels={**labels, docker_labels.RUN: run})
        told = chaos(tmp_path, "stack", "prune", TMPDIR=str(tmp_path))
        assert dead in told.stdout
        assert living not in told.stdout
        assert left(dead) == []
        assert len(left(living)) == 2
    finally:
        for run in owners:
            for network in engine.networks.list(names=[f"cc-{run}"]):
                network.remove()
            for volume in engine.volumes.list(filters={"name": f"cc-{run}"}):
                volume.remove()
