"""A stack by itself, from the command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ASK = (
    "import os, sys, urllib.request as u; "
    "[u.urlopen(os.environ[f'CHAT_CHAOS_{name}'] + '/healthz', timeout=5) for name in ('CHAT', 'AUTH', 'DIRECT')]; "
    "u.urlopen(os.environ['CHAT_CHAOS_PROXY'] + '/proxies', timeout=5); print(os.getpid()); sys.exit(7)"
)


def test_a_command_finds_the_stack_and_decides_the_exit_code(
    chat_chaos_process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Service and proxies answer at the addresses of its environment, and its own exit code is ours."""
    ended = chat_chaos_process("stack", "up", "reference", "--", sys.executable, "-c", ASK)
    assert (ended.returncode, ended.stderr) == (7, "")
    assert ended.stdout.strip().isdigit()


def test_a_command_that_there_is_not_is_a_mistake(
    chat_chaos_process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """One sentence and exit code 2."""
    ended = chat_chaos_process("stack", "up", "reference", "--", "no-such-program")
    assert ended.returncode == 2
    assert "cannot start no-such-program" in ended.stderr


def test_without_a_command_it_stands_until_it_is_told_to_go(tmp_path: Path) -> None:
    """The addresses are printed for a shell to take; Ctrl-C takes everything down, and is no failure."""
    command = [sys.executable, "-m", "harness.cli.main", "stack", "up", "reference"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=_unbuffered()) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        told = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        _connect(told["CHAT_CHAOS_CHAT"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with pytest.raises(OSError, match="refused"):
        _connect(told["CHAT_CHAOS_DIRECT"])


def _unbuffered() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _connect(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    socket.create_connection((host, int(port)), timeout=5).close()
