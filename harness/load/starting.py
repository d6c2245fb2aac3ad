"""Starts the swarms before Locust is loaded, which takes longer than they do."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """A swarm's process, and the file descriptor of our end of its control socket."""

    process: subprocess.Popen[bytes]
    control_fd: int


def start_swarm(*, own_session: bool = False) -> Started:
    """Start one process of people, which says what it has to say where this one does.

    In a session of its own it hears no Ctrl-C of the terminal: whoever started it ends it in order.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "harness.swarm", "--control-fd", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=own_session)
    return Started(process, ours.detach())
