"""What the journal says is still to be undone."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.faults.api import UndoCommand
from harness.stacks.journal import Journal, carry_out, outstanding


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal lies."""
    return tmp_path / "journal.jsonl"


def undo(name: str) -> UndoCommand:
    """An undo that can be told apart."""
    return UndoCommand("POST", f"http://127.0.0.1:1/{name}")


def urls(path: Path) -> list[str]:
    """The last parts of the outstanding addresses."""
    return [request["url"].rpartition("/")[2] for request in outstanding(path)]


def test_no_journal_has_nothing_outstanding(path: Path) -> None:
    """A run that never got as far as a fault has nothing to undo."""
    assert outstanding(path) == []


def test_what_was_not_undone_is_outstanding_last_first(path: Path) -> None:
    """Faults are taken back in the reverse of their order, and so are the commands of one fault."""
    journal = Journal(path)
    journal.applying("a", [undo("a1"), undo("a2")])
    journal.applying("b", [undo("b1")])
    journal.applying("c", [undo("c1")])
    journal.undone("b")
    assert urls(path) == ["c1", "a2", "a1"]
    journal.undone("c")
    journal.undone("a")
    journal.close()
    assert urls(path) == []


def test_a_fault_applied_again_counts_from_its_last_time(path: Path) -> None:
    """A fault that comes back after its undo is in force again, above those that came between."""
    journal = Journal(path)
    journal.applying("a", [undo("a1")])
    journal.applying("b", [undo("b1")])
    journal.undone("a")
    journal.applying("a", [undo("a2")])
    journal.close()
    assert urls(path) == ["a2", "b1"]


def test_a_torn_last_line_is_left_out(path: Path) -> None:
    """A line that was not written whole belongs to a fault whose command was never given."""
    journal = Journal(path)
    journal.applying("a", [undo("a1")])
    whole = path.read_bytes()
    journal.applying("b", [undo("b1")])
    journal.close()
    for end in range(len(whole), path.stat().st_size - 1):
        torn = path.with_name("torn.jsonl")
        torn.write_bytes(path.read_bytes()[:end])
        assert urls(torn) == ["a1"]


def test_a_server_that_is_silent_or_gone_does_not_hold_up_the_rest() -> None:
    """An undo that cannot be delivered costs its share of time, and the next is still tried."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        requests = [{"method": "POST", "url": f"http://127.0.0.1:{port}/", "body": ""} for _ in range(3)]
        gone = {"method": "POST", "url": "http://127.0.0.1:1/", "body": ""}
        assert carry_out([gone, *requests], within_s=0.2) == 0
