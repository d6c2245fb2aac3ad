"""An event loop whose timers are on time although thousands of sockets have something to say at once."""

from __future__ import annotations

import asyncio
import math
import os
import select
import selectors
import sys
from typing import Any

AT_A_TIME = 64
"""Sockets that are served between two looks at the timers. When a service that was held up answers thousands at once,
serving them all first would take tenths of a second, and what is due meanwhile would leave late."""
_MS = 1000


def make_loop() -> asyncio.AbstractEventLoop:
    """Return such a loop; where there is no epoll, the platform's own."""
    return asyncio.SelectorEventLoop(_FewAtATime()) if sys.platform == "linux" else asyncio.new_event_loop()


if sys.platform == "linux":
    _MASKS = {select.EPOLLIN: selectors.EVENT_READ, select.EPOLLOUT: selectors.EVENT_WRITE}
    _ANY = selectors.EVENT_READ | selectors.EVENT_WRITE
    """What the kernel says of an error or of a peer that has gone concerns readers and writers."""

    class _FewAtATime(selectors.EpollSelector):
        """Reports ``AT_A_TIME`` sockets at most. The kernel puts those at the end of its list: the others come next."""

        def __init__(self) -> None:
            super().__init__()
            self._kernel = select.epoll.fromfd(os.dup(self.fileno()))
            self._keys: dict[int, selectors.SelectorKey] = {}

        def register(self, *what: Any, **more: Any) -> selectors.SelectorKey:
            key = super().register(*what, **more)
            self._keys[key.fd] = key
            return key

        def modify(self, *what: Any, **more: Any) -> selectors.SelectorKey:
            key = super().modify(*what, **more)
            self._keys[key.fd] = key
            return key

        def unregister(self, fileobj: Any) -> selectors.SelectorKey:
            key = super().unregister(fileobj)
            del self._keys[key.fd]
            return key

        def close(self) -> None:
            self._kernel.close()
            super().close()

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            # As the class above does: rounded up to the kernel's millisecond, so that no timer is looked at too early.
            wait_s = -1 if timeout is None else 0 if timeout <= 0 else math.ceil(timeout * _MS) / _MS
            ready = []
            for fd, flags in self._kernel.poll(wait_s, AT_A_TIME):
                key = self._keys.get(fd)
                if key is not None:
                    ready.append((key, _MASKS.get(flags, _ANY) & key.events))
            return ready
