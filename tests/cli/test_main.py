"""The command as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import harness

Ended = subprocess.CompletedProcess[str]
ChatChaos = Callable[..., Ended]

COMMANDS = ("demo", "run", "validate", "explain", "list", "schema", "mutants", "check", "trace", "proxy")


def test_the_version_is_told(chat_chaos_process: ChatChaos) -> None:
    """``--version`` prints one line."""
    ended = chat_chaos_process("--version")
    assert (ended.returncode, ended.stdout) == (0, f"chat-chaos {harness.__version__}\n")


def test_help_names_every_command_and_the_exit_codes(chat_chaos_process: ChatChaos) -> None:
    """Help fits a page: all commands, each with a whole sentence, and the exit codes."""
    told = chat_chaos_process("--help").stdout
    assert [name for name in COMMANDS if f"\n  {name} " not in told] == []
    assert "..." not in told.partition("Commands:")[2]
    assert "130 interrupted" in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no-such-command",), "no-such-command"),
        (("run", "--sed", "7"), "--sed"),
        (("run", "--jobs", "0", "x"), "--jobs"),
        (("run", "--launcher", "moon", "x"), "moon"),
        (("run",), "run needs a scenario file"),
        (("run", "nowhere.chaos.yaml"), "there is no nowhere.chaos.yaml"),
        (("run", ".", "--set", "key"), "--set 'key' is not KEY=VALUE"),
        (("trace", "m-1"), "there is no run folder"),
        (("check", "nowhere"), "nowhere"),
        (("explain", "nowhere.chaos.yaml"), "there is no nowhere.chaos.yaml"),
    ],
)
def test_a_wrong_command_line_exits_2(chat_chaos: ChatChaos, arguments: tuple[str, ...], says: str) -> None:
    """What is wrong is told on stderr, without a traceback, and stdout stays empty."""
    ended = chat_chaos(*arguments)
    assert ended.returncode == 2, ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_reader_that_leaves_is_no_error() -> None:
    """``chat-chaos … | head`` ends quietly, with the code that a shell knows for it."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "harness.cli.main", "schema"]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")
