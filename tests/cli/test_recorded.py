"""Judging and tracing what was recorded before."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.testing.histories import HistoryBuilder

ChatChaos = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Path]:
    """Writes the events of two messages of which some were stored, with an orderly end or without."""

    def write(*, stored: int, closed: bool = True) -> Path:
        builder = HistoryBuilder().online("alice/phone", "bob/phone")
        messages = [builder.send("one", 2.0), builder.send("two", 3.0)]
        for message in messages[:stored]:
            builder.live(message, "bob/phone", message.answered_s)
        builder.final_sync("alice/phone", "bob/phone").archive(["alice", "bob"], messages[:stored])
        if closed:
            builder.add("writer_closed", 60.0).add("writer_closed", 60.0, observer="oracle")
            builder.add("writer_closed", 60.0, observer="engine")
        return builder.write(tmp_path / "run" / "events")

    return write


def test_a_whole_history_passes(chat_chaos: ChatChaos, recorded: Callable[..., Path]) -> None:
    """Events of something else are judged by the promises of a stack."""
    ended = chat_chaos("check", recorded(stored=2))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("PASS          events")


def test_a_lost_message_is_told_with_its_life(chat_chaos: ChatChaos, recorded: Callable[..., Path]) -> None:
    """A broken promise exits 1 and shows the check, the message and the step that never came."""
    ended = chat_chaos("check", recorded(stored=1))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "broken    acked_never_lost  1 of 2 examined" in ended.stdout
    assert "client id c-two" in ended.stdout
    assert "MISSING" in ended.stdout


def test_a_killed_history_never_passes(chat_chaos: ChatChaos, recorded: Callable[..., Path]) -> None:
    """A writer that never closed its file may have missed something."""
    ended = chat_chaos("check", recorded(stored=2, closed=False), "--json")
    assert ended.returncode == 4, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert (told["verdict"], told["exit_code"]) == ("inconclusive", 4)


def test_the_life_of_one_message(chat_chaos: ChatChaos, recorded: Callable[..., Path]) -> None:
    """Trace finds a message by either id, in the run that is named."""
    folder = recorded(stored=2).parent
    by_client, by_server = (chat_chaos("trace", name, "--run", folder) for name in ("c-one", "s-one"))
    assert by_client.returncode == 0, by_client.stderr
    assert "acknowledged as s-one" in by_client.stdout
    assert by_server.stdout == by_client.stdout
