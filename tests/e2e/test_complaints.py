"""What goes wrong around a run is told in a sentence with the way out, the documented exit code and no traceback."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Chaos = Callable[..., "subprocess.CompletedProcess[str]"]
CUT = 'cut: {kind: network.down, link: "client->chat", start: {at: 300ms}, for: 500ms}'


def complaint(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What was said, after the promises that hold for every complaint."""
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


def test_a_broken_file(chaos: Chaos, tmp_path: Path) -> None:
    """File, line and column of every mistake, with the line and a caret."""
    (tmp_path / "broken.chaos.yaml").write_text("version: 1\nname: x\ntitel: y\n")
    said = complaint(chaos("run", "broken.chaos.yaml"), 2)
    assert "broken.chaos.yaml:3:1" in said
    assert "title" in said


def test_a_missing_file(chaos: Chaos) -> None:
    """The path is named."""
    assert "nowhere.chaos.yaml" in complaint(chaos("run", "nowhere.chaos.yaml"), 2)


def test_a_wrong_flag(chaos: Chaos) -> None:
    """The flag is named."""
    assert "--sed" in complaint(chaos("run", "--sed", "7"), 2)


def test_an_unknown_mutant(chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path]) -> None:
    """The known ones are listed."""
    said = complaint(chaos("run", scenario(CUT, stack=quick_stack()), "--mutant", "ack_befor_store"), 2)
    assert "ack_before_store" in said


def test_a_busy_port(chaos: Chaos) -> None:
    """The proxy server says which port is taken and how to get another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = complaint(chaos("proxy", "serve", "--port", str(port)), 3)
    assert str(port) in said
    assert "--port" in said


def test_a_missing_program(chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path]) -> None:
    """The program and the service are named."""
    stack = quick_stack(('"${python}"', "no-such-program"))
    said = complaint(chaos("run", scenario(CUT, stack=stack)), 3)
    assert "no-such-program" in said


def test_a_stack_that_dies_at_start(
    chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path]
) -> None:
    """The service, its exit status and its own last words are shown."""
    stack = quick_stack(('DB: "sqlite:${data}/chat.db"', 'DB: "sqlite:/nowhere/at/all/chat.db"'))
    said = complaint(chaos("run", scenario(CUT, stack=stack)), 3)
    assert "chat" in said
    assert "/nowhere/at/all" in said


def test_an_output_folder_that_cannot_be_written(
    chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The way out is named."""
    (tmp_path / "file").write_text("")
    assert "--out" in complaint(chaos("run", scenario(CUT, stack=quick_stack()), "--out", "file/runs"), 2)
