"""What everything that a run makes in Docker is labelled with, and whether its owner still lives.

Imported by the watcher: keep the imports light.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

PREFIX = "chat-chaos."
"""Also before what else is known of a run: ``scenario``, ``worker``."""
RUN = "chat-chaos.run"
ROLE = "chat-chaos.role"
LOGS = "chat-chaos.logs"
"""Folder of the run's logs: whoever removes a container saves its output there first."""
OWNER_PID = "chat-chaos.owner-pid"
OWNER_START = "chat-chaos.owner-start"
BOOT = "chat-chaos.boot-id"
PIDS = "chat-chaos.pid-namespace"


def owner() -> dict[str, str]:
    """Return the labels that say which process the things belong to: this one."""
    pid = os.getpid()
    return {OWNER_PID: str(pid), OWNER_START: started(pid) or "", BOOT: boot_id(), PIDS: pid_namespace()}


def of_run(run: str, logs: str | os.PathLike[str], about: Mapping[str, str]) -> dict[str, str]:
    """Return all labels of what this process makes for a run; ``about`` is what else is known of it."""
    return {
        **{f"{PREFIX}{key}": value for key, value in about.items()},
        RUN: run,
        LOGS: os.fspath(logs),
        **owner(),
    }


def orphaned(labels: Mapping[str, str]) -> bool:
    """Whether the process that the labels name is surely dead.

    After a reboot nobody lives. A pid of another namespace (a harness in a container that uses the host's engine) says
    nothing here, so what belongs to it is left alone. A reused pid has another time of start.
    """
    if BOOT not in labels or OWNER_PID not in labels:
        return False
    if labels[BOOT] != boot_id():
        return True
    if labels.get(PIDS) != pid_namespace():
        return False
    return started(int(labels[OWNER_PID])) != labels.get(OWNER_START)


def started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks since boot (proc(5), field 22 of stat); None once it is dead."""
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib would double the watcher's start
        # The name in parentheses may contain anything; the fields after it begin with the state.
        fields = file.read().decode(errors="replace").rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    return None


def boot_id() -> str:
    """The kernel's own id of this boot, the same in all containers of the host."""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123 - same
        return file.read().strip()
    return ""


def pid_namespace() -> str:
    """The name of the namespace in which this process's pids mean something."""
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - same
    return ""
