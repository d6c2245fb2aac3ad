"""An event loop whose timers are on time although thousands of sockets have something to say at once."""

from __future__ import annotations

import asyncio
import math
import os
import select
import selectors

AT_A_TIME = 64
"""Sockets that are served between two looks at the timers. When a service that was held up answers thousands at once,
serving them all first would take tenths of a second, and what is due meanwhile would leave late."""
_MS = 1000


def make_loop() -> asyncio.AbstractEventLoop:
    """Return such a loop; where there is no epoll, the platform's own."""
    if not hasattr(selectors, "EpollSelector"):
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(_FewAtATime())


class _FewAtATime(selectors.EpollSelector):
    """Reports ``AT_A_TIME`` sockets at most. The kernel puts those at the end of its list: the others come next."""

    def __init__(self) -> None:
        super().__init__()
        self._kernel = select.epoll.fromfd(os.dup(self.fileno()))

    def close(self) -> None:
        self._kernel.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # As the class above does: rounded up to the kernel's millisecond, so that no timer is looked at too early.
        wait_s = -1 if timeout is None else max(0, math.ceil(timeout * _MS)) / _MS
        try:
            ready = self._kernel.poll(wait_s, AT_A_TIME)
        except InterruptedError:
            return []
        known = self.get_map()
        keyed = ((known.get(fd), flags) for fd, flags in ready)
        return [(key, _mask(flags) & key.events) for key, flags in keyed if key is not None]


def _mask(flags: int) -> int:
    readable = selectors.EVENT_READ if flags & ~select.EPOLLOUT else 0
    writable = selectors.EVENT_WRITE if flags & ~select.EPOLLIN else 0
    return readable | writable
