"""What the parts of a run use of this host, by the kernel's own books (proc(5)): processor, memory, open files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
NS_PER_S = 1_000_000_000

Pid = int
Identity = tuple[int, int]
"""A pid and when it started, in ticks: pids are used again."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: seconds of processor time so far (user and system), resident bytes."""

    pid: Pid
    parent: Pid
    session: Pid
    started: int
    cpu_s: float
    memory: int

    @property
    def identity(self) -> Identity:
        """What no other process has."""
        return self.pid, self.started


@dataclass(frozen=True, slots=True)
class Usage:
    """What one part used in the time since the sample before: cores on average, resident bytes, open files.

    ``busiest`` are the cores of its busiest process: one that works in a single thread cannot have more than 1.
    Pages that processes share are counted for each of them.
    """

    cpu: float
    busiest: float
    memory: int
    files: int
    processes: int


class Meter:
    """Compares each reading of the books with the one before."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._before: dict[Identity, float] = {}
        self._read_ns: int | None = None

    def read(self, table: Mapping[Pid, Process], roots: Mapping[Pid, str]) -> dict[str, Usage]:
        """Return what each part used since the last call; nothing the first time.

        ``table`` is what ``processes`` has just returned. ``roots`` has the part of a process that was started for it;
        what it started itself belongs to it.
        """
        now_ns = self._now_ns()
        past_s = (now_ns - self._read_ns) / NS_PER_S if self._read_ns is not None else 0.0
        before, self._before = self._before, {each.identity: each.cpu_s for each in table.values()}
        self._read_ns = now_ns
        if past_s <= 0:
            return {}
        return {
            part: _usage([(each.cpu_s - before.get(each.identity, 0.0)) / past_s for each in members], members)
            for part, members in parts_of(table, roots).items()
        }


def processes(proc: Path = PROC) -> dict[Pid, Process]:
    """Return all processes that this one can see; none where the kernel keeps no such books."""
    return {each.pid: each for each in _all(proc)}


def parts_of(table: Mapping[Pid, Process], roots: Mapping[Pid, str]) -> dict[str, list[Process]]:
    """Return the processes of each part: those that descend from its roots, nearest first.

    One whose parents have died is known by its session, as long as it made none of its own.
    """
    found: dict[str, list[Process]] = {}
    for each in table.values():
        part = _part(each, table, roots)
        if part is not None:
            found.setdefault(part, []).append(each)
    return found


def open_files(pid: Pid, proc: Path = PROC) -> int:
    """Return how many file descriptors a process has open; 0 when it is gone or not ours to look at."""
    folder = f"{proc}/{pid}/fd"
    with suppress(OSError):
        # Since Linux 6.2 the size of the folder is the number; reading thousands of names takes milliseconds.
        return os.stat(folder).st_size or len(os.listdir(folder))  # noqa: PTH116, PTH208 - once a second for each
    return 0


def command_of(pid: Pid, proc: Path = PROC) -> list[str]:
    """Return the words of a process's command line; none when it is gone."""
    with suppress(OSError):
        return Path(f"{proc}/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def in_container(pid: Pid, container: str, proc: Path = PROC) -> bool:
    """Tell whether a pid is that of a process in a container: an engine elsewhere names pids of its own machine."""
    with suppress(OSError):
        return container in Path(f"{proc}/{pid}/cgroup").read_text()
    return False


def _usage(cores: list[float], members: list[Process]) -> Usage:
    files = sum(open_files(each.pid) for each in members)
    memory = sum(each.memory for each in members)
    return Usage(round(sum(cores), 3), round(max(cores), 3), memory, files, len(members))


def _part(process: Process, table: Mapping[Pid, Process], roots: Mapping[Pid, str]) -> str | None:
    climbing: Process | None = process
    seen = 0
    while climbing is not None and seen <= len(table):
        if climbing.pid in roots:
            return roots[climbing.pid]
        climbing = table.get(climbing.parent)
        seen += 1
    return roots.get(process.session)


def _all(proc: Path) -> Iterator[Process]:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    try:
        names = os.listdir(proc)  # noqa: PTH208 - once a second, hundreds of names
    except FileNotFoundError:
        return
    for name in names:
        if name.isdigit():
            with suppress(OSError), open(f"{proc}/{name}/stat", "rb") as file:  # noqa: PTH123 - the same
                # The command in parentheses may hold anything; the third field comes after it.
                fields = file.read().rpartition(b")")[2].split()
                yield Process(
                    pid=int(name),
                    parent=int(fields[1]),
                    session=int(fields[3]),
                    started=int(fields[19]),
                    cpu_s=(int(fields[11]) + int(fields[12])) / ticks,
                    memory=int(fields[21]) * page,
                )
