"""Small things that the tests of stacks share."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Poll = Callable[[Callable[[], bool], float], bool]


@pytest.fixture
def poll() -> Poll:
    """Ask until something holds or the time is over."""

    def wait(holds: Callable[[], bool], within_s: float) -> bool:
        end = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    return wait


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a pid belongs to a process that still runs; a zombie does not."""

    def answer(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return answer


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the system that belongs to this test alone."""
    folder = tmp_path / "system-temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def env() -> dict[str, str]:
    """The least environment in which a program is found."""
    return {"PATH": os.environ["PATH"]}
