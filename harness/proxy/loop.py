"""One thread that waits for sockets and timers: the engine under the embedded layer-4 server.

It is a bare epoll loop and not asyncio, because a proxy of small messages spends its time in the loop itself.
Sockets are closed only after a round of events, so a descriptor number never gets a new owner within a round.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Protocol

from harness.proxy.tube import Tubes

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
BROKEN = select.EPOLLERR | select.EPOLLHUP

_EVENTS_PER_ROUND = 512
_LONGEST_WAIT_S = 3600.0
_FINE_WAIT_S = 0.002  # epoll counts in whole milliseconds: below this the wait is done with select()


class Watcher(Protocol):
    """Whoever owns a watched socket."""

    def on_event(self, mask: int) -> None:
        """React to epoll events; may be called without cause and must bear it."""
        ...

    def abandon(self) -> None:
        """Give the socket up: ``on_event`` failed in a way nobody foresaw."""
        ...


class Timer:
    """A callback that is due at a moment; ``cancel`` makes it void."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Make the timer void; harmless when it has fired."""
        self.callback = None


class Loop:
    """Dispatches events to watchers, fires timers, runs what other threads post; ``run`` ends after ``stop``."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._watchers: dict[int, Watcher] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._doomed: list[socket.socket] = []
        self._changed: dict[int, int] = {}
        self._posted: deque[Callable[[], None]] = deque()
        self._stopping = False
        self.tubes = Tubes()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, READ)
        self._handlers[self._wake] = self._on_wake

    @staticmethod
    def now() -> float:
        """Seconds of the monotonic clock, the domain of ``call_at``."""
        return time.monotonic()

    def watch(self, fd: int, mask: int, watcher: Watcher) -> None:
        """Send events of a new descriptor to the watcher."""
        self._watchers[fd] = watcher
        self._handlers[fd] = watcher.on_event
        self._epoll.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        """Wait for other events of a watched descriptor from the next round on; errors and hang-ups always come."""
        self._changed[fd] = mask

    def mute(self, fd: int) -> None:
        """Hear nothing of a descriptor any more, not even that it hung up."""
        del self._handlers[fd], self._watchers[fd]
        self._changed.pop(fd, None)
        self._epoll.unregister(fd)

    def discard(self, sock: socket.socket) -> None:
        """Forget a socket now and close it at the end of the round."""
        fd = sock.fileno()
        if self._handlers.pop(fd, None) is not None:
            del self._watchers[fd]
            self._changed.pop(fd, None)
        self._doomed.append(sock)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run the callback once the moment has come."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def post(self, callback: Callable[[], None]) -> None:
        """Run the callback in the loop's thread; the one method that any thread or signal handler may call."""
        self._posted.append(callback)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """End ``run`` after the present round; may be called from a signal handler."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Serve until ``stop``."""
        while not self._stopping:
            self._round(self._pause())
            if self._timers:
                self._fire()
            if self._changed:
                self._change()
            if self._doomed:
                self._bury()

    def close(self) -> None:
        """Close what the loop itself holds."""
        self._bury()
        self.tubes.close()
        os.close(self._wake)
        self._epoll.close()

    def _round(self, wait: float) -> None:
        find = self._handlers.get
        fd = -1
        try:
            for fd, mask in self._epoll.poll(wait, _EVENTS_PER_ROUND):
                handler = find(fd)
                if handler is not None:
                    handler(mask)
        except Exception:  # noqa: BLE001 - one connection's unforeseen failure must not end the others
            self._abandon(fd)

    def _abandon(self, fd: int) -> None:
        traceback.print_exc(file=sys.stderr)
        watcher = self._watchers.get(fd)
        if watcher is not None:
            watcher.abandon()

    def _pause(self) -> float:
        if not self._timers:
            return -1
        wait = self._timers[0][0] - self.now()
        if wait <= 0:
            return 0
        if wait < _FINE_WAIT_S:
            select.select([self._epoll], [], [], wait)
            return 0
        return min(wait - _FINE_WAIT_S / 2, _LONGEST_WAIT_S)

    def _fire(self) -> None:
        """Fire what is due now; a timer set meanwhile, even for the past, waits until sockets had their turn."""
        now = self.now()
        due: list[Timer] = []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            if timer.callback is not None:
                self._guard(timer.callback)

    def _guard(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - as in _round
            traceback.print_exc(file=sys.stderr)

    def _change(self) -> None:
        """Only now: a connection that ends is paused first, and most pauses are over within the round."""
        for fd, mask in self._changed.items():
            self._epoll.modify(fd, mask)
        self._changed.clear()

    def _bury(self) -> None:
        for sock in self._doomed:
            sock.close()
        self._doomed.clear()

    def _on_wake(self, _mask: int) -> None:
        os.eventfd_read(self._wake)
        while self._posted:
            self._guard(self._posted.popleft())
