"""Starting programs so that none of them, nor anything they start, can outlive the watcher.

Linux: the watcher is a child-subreaper (prctl(2)), so that a daemonised grandchild becomes its child instead of
init's, and its own children get SIGKILL from the kernel when it dies. Elsewhere process groups have to do.
The watcher is single-threaded, which makes a bare fork safe. Imported by the watcher: keep the imports light.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
FOLDER = "folder"
PROGRAM = "program"
_LINUX = sys.platform == "linux"
# What libfaketime (src/libfaketime.c, ft_shm_create) makes for a process, and removes only at its orderly end.
_FAKETIME = ("/dev/shm/faketime_shm_{}", "/dev/shm/sem.faketime_sem_{}")  # noqa: S108 - the library chose the place
_libc = ctypes.CDLL(None) if _LINUX else None


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_program(argv: list[str], *, env: Mapping[str, str], cwd: str, log: str, keep: Sequence[int] = ()) -> int:
    """Start a program in a session of its own, output to the end of ``log``, and return its pid once it runs.

    Raises ``OSError`` whose ``filename`` is ``FOLDER``, ``PROGRAM`` or the path of the log, whichever failed.
    """
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    reading, writing = os.pipe()  # closed by exec, so that end of file means that the program runs
    watcher = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(argv, env=env, cwd=cwd, output=output, keep=keep, watcher=watcher, report=writing)
    os.close(output)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        failure = pipe.read()
    if failure:
        os.waitpid(pid, 0)
        number, _, what = failure.decode().partition(":")
        raise OSError(int(number), os.strerror(int(number)), what)
    return pid


class Offspring:
    """The programs started by name, in order, and everything below them."""

    def __init__(self, on_exit: Callable[[int, int], None]) -> None:
        self._alive: dict[int, str] = {}
        self._on_exit = on_exit

    def add(self, pid: int, name: str) -> None:
        """Take a started program into the books."""
        self._alive[pid] = name

    def signal(self, pid: int, number: int) -> None:
        """Signal a program and what it started in its group; one that has ended is left alone.

        The pid cannot belong to a stranger: it is free for reuse only after it was reaped here.
        """
        if pid in self._alive:
            with suppress(ProcessLookupError):
                os.killpg(pid, number)

    def reap(self) -> bool:
        """Bury who has died, and tell of those who were started by name; False when no child is left at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            _forget_clock(pid)
            if self._alive.pop(pid, None) is not None:
                self._on_exit(pid, os.waitstatus_to_exitcode(status))

    def terminate(self, wait: Callable[[float], None], within_s: float) -> None:
        """Ask the programs to end, last started first, and wait for them at most that long."""
        for pid in reversed(self._alive):
            self.signal(pid, signal.SIGTERM)
            self.signal(pid, signal.SIGCONT)  # a stopped process would not hear of it
        end = time.monotonic() + within_s
        while self.reap() and self._alive and time.monotonic() < end:
            wait(end - time.monotonic())

    def kill(self, wait: Callable[[float], None], within_s: float) -> None:
        """Kill everything that runs below this process, generation by generation, until nothing is left."""
        end = time.monotonic() + within_s
        while self.reap() and time.monotonic() < end:
            for pid in _children() if _LINUX else list(self._alive):
                with suppress(ProcessLookupError):
                    (os.kill if _LINUX else os.killpg)(pid, signal.SIGKILL)
            wait(0.02)


def _forget_clock(pid: int) -> None:
    """Remove the shared memory of a movable clock, which a killed process leaves behind."""
    for name in _FAKETIME:
        with suppress(OSError):
            os.unlink(name.format(pid))  # noqa: PTH108 - pathlib would double the watcher's start


def _children() -> list[int]:
    """Pids whose parent is this process: those it started and those it adopted."""
    own = str(os.getpid())
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the watcher's start
        if entry.isdigit():
            with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123
                # The name in parentheses may contain anything; the fields after it are state and parent.
                state, parent = file.read().decode(errors="replace").rpartition(")")[2].split()[:2]
                if parent == own and state != "Z":
                    found.append(int(entry))
    return found


def _become(
    argv: list[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    output: int,
    keep: Sequence[int],
    watcher: int,
    report: int,
) -> NoReturn:
    """In the forked child: turn into the program, or report why not."""
    stage = PROGRAM
    try:
        os.setsid()
        _die_with(watcher)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _wire(output, keep)
        stage = FOLDER
        os.chdir(cwd)
        stage = PROGRAM
        os.execvpe(argv[0], argv, env)  # noqa: S606 - no shell is wanted
    except OSError as failure:
        os.write(report, f"{failure.errno}:{stage}".encode())
    except ValueError:  # a NUL byte in an argument
        os.write(report, f"{errno.EINVAL}:{stage}".encode())
    finally:
        os._exit(127)


def _die_with(watcher: int) -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != watcher:  # it died before the request took hold
        os._exit(127)


def _wire(output: int, keep: Sequence[int]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for fd in keep:
        os.set_inheritable(fd, True)  # noqa: FBT003 - the function takes no keyword
