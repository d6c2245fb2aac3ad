"""What processes use, and which part of a run they belong to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.stacks.usage import Meter, Process, in_container, open_files, parts_of, processes

S = 1_000_000_000


def table(*given: Process) -> dict[int, Process]:
    """The books with these processes in them."""
    return {each.pid: each for each in given}


def one(pid: int, parent: int, *, session: int = 0, started: int = 0, cpu_s: float = 0.0, memory: int = 1) -> Process:
    """A process; by itself it leads its session."""
    return Process(pid, parent, session or pid, started, cpu_s, memory)


def test_a_part_is_whatever_its_first_process_started() -> None:
    """The nearest root counts; a grandchild whose parents have died is known by its session, a stranger is nobody's."""
    books = table(
        one(10, 1),
        one(20, 10),
        one(21, 20),
        one(30, 21),
        one(31, 30),
        one(40, 1, session=20),
        one(50, 1),
    )
    found = parts_of(books, {10: "harness", 20: "chat", 30: "worker"})
    assert {part: [each.pid for each in members] for part, members in found.items()} == {
        "harness": [10],
        "chat": [20, 21, 40],
        "worker": [30, 31],
    }


def clock(*moments_s: float) -> Iterator[int]:
    """Moments in nanoseconds."""
    return iter([round(moment * S) for moment in moments_s])


def test_processor_time_is_what_was_used_since_the_last_reading() -> None:
    """Two seconds in which one process used one core and another a quarter; nothing is known at the first reading."""
    now = clock(100.0, 102.0)
    meter = Meter(lambda: next(now))
    roots = {1: "chat"}
    assert meter.read(table(one(1, 0, cpu_s=5.0), one(2, 1, cpu_s=3.0)), roots) == {}
    used = meter.read(table(one(1, 0, cpu_s=7.0, memory=100), one(2, 1, cpu_s=3.5, memory=50)), roots)["chat"]
    assert (used.cpu, used.busiest, used.memory, used.processes) == (1.25, 1.0, 150, 2)


def test_a_pid_that_is_used_again_starts_anew() -> None:
    """Not the difference to the process that had the number before."""
    now = clock(0.0, 1.0)
    meter = Meter(lambda: next(now))
    meter.read(table(one(1, 0, started=5, cpu_s=50.0)), {1: "chat"})
    assert meter.read(table(one(1, 0, started=9, cpu_s=0.5)), {1: "chat"})["chat"].cpu == 0.5


def test_this_process_is_in_the_books() -> None:
    """Its parent, memory and open files are those that the kernel knows."""
    me = processes()[os.getpid()]
    assert (me.parent, me.session) == (os.getppid(), os.getsid(0))
    assert me.memory > 1_000_000
    assert me.cpu_s > 0
    before = open_files(me.pid)
    with Path(__file__).open(), Path(__file__).open():
        assert open_files(me.pid) == before + 2


def test_a_process_that_is_gone_uses_nothing() -> None:
    """Between the reading of the books and of its files a process may end."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert open_files(ended.pid) == 0
    assert not in_container(ended.pid, "0")


def test_a_host_without_such_books_has_no_processes(tmp_path: Path) -> None:
    """Elsewhere than on Linux nothing is known, which is no error."""
    assert processes(tmp_path / "nowhere") == {}


def test_a_container_is_known_by_its_control_group(tmp_path: Path) -> None:
    """An engine on another machine names pids that somebody else has here."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("0::/system.slice/docker-4f5e6d.scope\n")
    assert in_container(7, "4f5e6d", tmp_path)
    assert not in_container(7, "abcdef", tmp_path)
