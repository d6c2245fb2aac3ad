"""Which temporary folders are swept: those of the dead, and no others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from harness.faults.api import UndoCommand
from harness.stacks.folders import make
from harness.stacks.journal import Journal
from harness.stacks.prune import sweep


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder in use under ``tmp_path``, and the lock that says so."""
    folder, lock = make(str(tmp_path), "run-data", journal="")
    yield Path(folder), lock
    if Path(folder).exists():
        os.close(lock)


def test_a_folder_in_use_is_private_and_not_swept(tmp_path: Path, owned: tuple[Path, int]) -> None:
    """A run beside this one keeps its data."""
    folder, _ = owned
    assert folder.stat().st_mode & 0o077 == 0
    assert folder.name.startswith(f"chat-chaos-run-data-{os.getpid()}-")
    assert sweep(str(tmp_path)) == []
    assert folder.exists()


def test_a_folder_of_the_dead_is_swept(tmp_path: Path, owned: tuple[Path, int]) -> None:
    """The lock goes with its owner, and the folder with the next sweep."""
    folder, lock = owned
    (folder / "deep").mkdir()
    os.close(lock)
    assert sweep(str(tmp_path)) == [str(folder)]
    assert list(tmp_path.iterdir()) == []


def test_what_only_looks_alike_is_left_alone(tmp_path: Path) -> None:
    """Folders without an owner's mark, files and links are somebody else's."""
    (tmp_path / "chat-chaos-notes").mkdir()
    (tmp_path / "chat-chaos-file").write_text("x")
    (tmp_path / "chat-chaos-link").symlink_to(tmp_path / "chat-chaos-notes")
    assert sweep(str(tmp_path)) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_a_sweep_undoes_what_a_dead_run_left_in_force(tmp_path: Path) -> None:
    """When harness and watcher died together, the next start takes their faults back from the journal."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            seen.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        journal = Journal(tmp_path / "journal.jsonl")
        journal.applying("slow", [UndoCommand("DELETE", f"http://127.0.0.1:{server.server_port}/toxics/slow")])
        journal.close()
        _, lock = make(str(tmp_path), "run-data", journal=str(tmp_path / "journal.jsonl"))
        os.close(lock)
        assert len(sweep(str(tmp_path))) == 1
        thread.join()
    assert seen == ["/toxics/slow"]
