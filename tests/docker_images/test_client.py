"""Finding a container engine."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harness.core.errors import EnvironmentFault
from harness.stacks.docker_client import connect


@pytest.fixture
def nothing(tmp_path: Path) -> dict[str, str]:
    """An environment in which no engine was chosen."""
    return {"DOCKER_CONTEXT": "default", "XDG_RUNTIME_DIR": str(tmp_path)}


def _dead_socket(path: Path) -> Path:
    """A socket file of an engine that is gone."""
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
    return path


def test_no_engine_is_said_in_a_sentence_with_the_way_to_get_one(nothing: dict[str, str], tmp_path: Path) -> None:
    """Where no socket is, the user learns that there is no engine and what to install."""
    with pytest.raises(EnvironmentFault, match=r"no container engine") as told:
        connect(nothing, sockets=[tmp_path / "docker.sock"])
    assert "apt-get install docker.io" in told.value.hint


def test_what_docker_host_names_is_used(
    nothing: dict[str, str], listening_engine: Callable[[str], Path], tmp_path: Path
) -> None:
    """DOCKER_HOST decides, however many other sockets there are."""
    chosen = listening_engine("chosen.sock")
    with closing(connect({**nothing, "DOCKER_HOST": f"unix://{chosen}"}, sockets=[tmp_path / "other"])) as client:
        assert client.ping()


def test_nothing_is_tried_in_place_of_docker_host(
    nothing: dict[str, str], listening_engine: Callable[[str], Path], tmp_path: Path
) -> None:
    """An engine that the user chose and that does not answer is an error, though another one would answer."""
    other = listening_engine("other.sock")
    with pytest.raises(EnvironmentFault, match=r"gone\.sock does not answer"):
        connect({**nothing, "DOCKER_HOST": f"unix://{tmp_path / 'gone.sock'}"}, sockets=[other])


def test_the_next_socket_is_tried(
    nothing: dict[str, str], listening_engine: Callable[[str], Path], tmp_path: Path
) -> None:
    """A socket that a dead engine left is passed over for that of one that lives, such as Podman's."""
    dead = _dead_socket(tmp_path / "dead.sock")
    with closing(connect(nothing, sockets=[dead, listening_engine("podman.sock")])) as client:
        assert client.ping()


def test_a_dead_engine_is_named(nothing: dict[str, str], tmp_path: Path) -> None:
    """When nothing answers the user learns at which socket it was tried, and why it failed."""
    dead = _dead_socket(tmp_path / "dead.sock")
    with pytest.raises(EnvironmentFault, match=r"dead\.sock does not answer: .*refused"):
        connect(nothing, sockets=[dead])


def test_a_context_that_does_not_exist_is_not_passed_over(nothing: dict[str, str]) -> None:
    """A wrong DOCKER_CONTEXT never leads to some other engine."""
    with pytest.raises(EnvironmentFault, match=r"'nowhere'.*does not exist"):
        connect({**nothing, "DOCKER_CONTEXT": "nowhere"})


def test_calls_have_a_time_out(nothing: dict[str, str], listening_engine: Callable[[str], Path]) -> None:
    """No call waits longer than the caller allows."""
    with closing(connect(nothing, sockets=[listening_engine("docker.sock")], timeout_s=3)) as client:
        assert client.api.timeout == 3
