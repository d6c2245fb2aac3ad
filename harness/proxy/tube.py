"""Bulk from one socket to another without a copy: pages move through a pipe of the kernel's (splice(2), Linux).

For small messages two calls and a copy are cheaper; for bulk this takes half the CPU.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

SIZE = 1 << 20
"""Bytes that a pipe takes: the most that an unprivileged program may ask for (pipe(7), pipe-max-size)."""

_IDLE = 8  # pipes kept for the next use
_FLAGS = getattr(os, "SPLICE_F_NONBLOCK", 0)


class Tube:
    """A pipe with ``held`` bytes in it."""

    __slots__ = ("_reading", "_writing", "held")

    def __init__(self) -> None:
        """Make the pipe; raises ``OSError`` when there is no room for one."""
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # many pipes of one user stay small: that is only slower
            fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, SIZE)
        self.held = 0

    def fill(self, fd: int) -> int:
        """Take what has come on a socket, 0 at its end; raises ``BlockingIOError`` for nothing yet, or ``OSError``."""
        count = os.splice(fd, self._writing, SIZE, flags=_FLAGS)
        self.held += count
        return count

    def drain(self, fd: int) -> int:
        """Give a socket as much as it takes; raises ``BlockingIOError`` when that is nothing, or ``OSError``."""
        count = os.splice(self._reading, fd, self.held, flags=_FLAGS)
        self.held -= count
        return count

    def close(self) -> None:
        """Drop the pipe and what is in it."""
        os.close(self._reading)
        os.close(self._writing)


class Tubes:
    """Empty pipes for whoever has bulk to move; a pipe that still holds bytes belongs to the socket that waits."""

    def __init__(self) -> None:
        self._idle: list[Tube] = []
        self._usable = hasattr(os, "splice")

    def take(self) -> Tube | None:
        """Return an empty pipe, None where there can be none: bytes have to be copied then."""
        if self._idle:
            return self._idle.pop()
        with contextlib.suppress(OSError):  # no descriptor is left
            return Tube() if self._usable else None
        return None

    def give_back(self, tube: Tube) -> None:
        """Keep an empty pipe for the next one; drop one that is not."""
        if tube.held or len(self._idle) >= _IDLE:
            tube.close()
        else:
            self._idle.append(tube)

    def give_up(self) -> None:
        """Take note that this kernel moves nothing between these sockets."""
        self._usable = False
        self.close()

    def close(self) -> None:
        """Drop all idle pipes."""
        for tube in self._idle:
            tube.close()
        self._idle.clear()
