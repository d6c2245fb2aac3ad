"""Whole runs by the command line, as a user gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.core.places import stacks_folder

Chaos = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = [sys.executable, "-m", "harness.cli.main"]

SCENARIO = """\
version: 1
name: {name}
title: A test of the harness itself
stack: {stack}
people:
  alice: {{devices: [phone]}}
  bob: {{devices: [phone]}}
workload:
  - {{kind: direct, from: alice, to: bob, rate: 10/s}}
phases: {{baseline: 1s, observe: 2s, quiet: 1500ms}}
faults:
  {fault}
expect:
  checks: [acked_never_lost]
"""


@pytest.fixture
def chaos(tmp_path: Path) -> Chaos:
    """Run ``chat-chaos`` in an empty folder and return what it said."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        argv = [*COMMAND, *map(str, words)]
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)

    return run


@pytest.fixture
def quick_stack(tmp_path: Path) -> Callable[..., Path]:
    """Write a variant of the reference stack that promises delivery within a second, to keep tests short."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = (stacks_folder() / "reference.yaml").read_text().replace("deliver_within: 3s", "deliver_within: 1s")
        for old, new in replacements:
            assert old in text, f"the reference stack no longer has {old!r}"
            text = text.replace(old, new)
        path = tmp_path / "stack.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Path]:
    """Write a short scenario with one fault."""

    def write(fault: str, *, stack: Path, name: str = "probe") -> Path:
        path = tmp_path / f"{name}.chaos.yaml"
        path.write_text(SCENARIO.format(name=name, fault=fault, stack=stack))
        return path

    return write


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``chat-chaos`` and let the test interfere; whatever is left is ended."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        argv = [*COMMAND, *map(str, words)]
        process = subprocess.Popen(  # ended below
            argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def verdict() -> Callable[[subprocess.CompletedProcess[str]], dict[str, Any]]:
    """Read the one run of a ``--json`` answer."""

    def read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        document = json.loads(done.stdout)
        assert document["exit_code"] == done.returncode, done.stderr
        [run] = document["runs"]
        return dict(run)

    return read


@pytest.fixture
def family() -> Callable[[int], dict[int, str]]:
    """Return the living descendants of a process with their command lines."""

    def descendants(root: int) -> dict[int, str]:
        parents: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and (stat := _read(f"/proc/{entry.name}/stat")):
                parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
        found: dict[int, str] = {}
        queue = [root]
        while queue:
            for pid in parents.get(queue.pop(), []):
                found[pid] = _read(f"/proc/{pid}/cmdline").replace("\0", " ")
                queue.append(pid)
        return found

    return descendants


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""  # it ended while we looked
