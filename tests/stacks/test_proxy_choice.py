"""Which proxy server a run goes through: chosen by what there is and what the scenario needs, always with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import EnvironmentFault, UsageError
from harness.stacks.proxy_choice import Choice, check_proxy, choose, find_toxiproxy

WITHOUT = {"PATH": "/nowhere"}


@pytest.fixture
def having(tmp_path: Path) -> dict[str, str]:
    """An environment with a toxiproxy-server on PATH."""
    program = tmp_path / "toxiproxy-server"
    program.touch(mode=0o755)
    return {"PATH": str(tmp_path)}


def test_a_real_one_is_taken_where_it_will_do(having: dict[str, str]) -> None:
    """Processes run through a toxiproxy-server of the machine, and the report says which."""
    choice = choose("auto", "embedded", [], having)
    assert choice.proxy == "toxiproxy"
    assert str(find_toxiproxy(having)) in choice.why


def test_our_own_is_taken_where_there_is_no_other() -> None:
    """Nothing has to be installed, and the report says what was looked for."""
    choice = choose("auto", "embedded", [], WITHOUT)
    assert choice.proxy == "embedded"
    assert "CHAT_CHAOS_TOXIPROXY" in choice.why


@pytest.mark.parametrize("launcher", ["embedded", "docker", "compose"])
def test_our_own_is_taken_where_the_real_one_proves_nothing(launcher: str, having: dict[str, str]) -> None:
    """What the real one cannot carry is the reason that is told."""
    assert choose("auto", launcher, ["a reason", "another"], having) == Choice("embedded", "a reason; another")


@pytest.mark.parametrize("launcher", ["docker", "compose"])
def test_containers_run_through_a_container(launcher: str, having: dict[str, str]) -> None:
    """A toxiproxy-server of the machine is none of their business."""
    assert choose("auto", launcher, [], having).proxy == "image"


def test_what_the_user_wants_is_done(having: dict[str, str]) -> None:
    """A choice by hand is kept, whatever else would do."""
    assert choose("embedded", "embedded", [], having).proxy == "embedded"
    assert "--proxy embedded" in choose("embedded", "embedded", [], having).why


def test_the_variable_comes_before_path(tmp_path: Path, having: dict[str, str]) -> None:
    """CHAT_CHAOS_TOXIPROXY names a program of any name; one that is not there is not replaced by another."""
    server = tmp_path / "server"
    server.touch(mode=0o755)
    assert find_toxiproxy({**having, "CHAT_CHAOS_TOXIPROXY": str(server)}) == str(server)
    assert find_toxiproxy({**having, "CHAT_CHAOS_TOXIPROXY": "/nowhere/server"}) is None


@pytest.mark.parametrize(
    ("wanted", "launcher", "error", "text"),
    [
        ("varnish", "embedded", UsageError, "there is no proxy 'varnish'"),
        ("toxiproxy", "docker", UsageError, "containers of the docker launcher cannot run through"),
        ("toxiproxy", "embedded", EnvironmentFault, "the real Toxiproxy was not found"),
        ("image", "embedded", EnvironmentFault, "container engine"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(wanted: str, launcher: str, error: type[Exception], text: str) -> None:
    """Before anything starts, in one sentence."""
    environment = {**WITHOUT, "DOCKER_HOST": "tcp://127.0.0.1:1"}
    with pytest.raises(error, match=text):
        check_proxy(wanted, launcher, environment)


@pytest.mark.parametrize("wanted", ["auto", "embedded"])
def test_what_needs_nothing_is_never_refused(wanted: str) -> None:
    """Our own server comes with the package."""
    check_proxy(wanted, "embedded", WITHOUT)
