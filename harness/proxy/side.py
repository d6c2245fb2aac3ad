"""One of a connection's two sockets: reads for the direction it feeds, writes for the other."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections import deque
from itertools import islice
from typing import Protocol

from harness.proxy.loop import BROKEN, READ, WRITE, Loop
from harness.proxy.tube import Tube

HIGH_WATER = 256 * 1024
"""Bytes that may wait for one socket before the sender is no longer read; bulk in a pipe may be four times as much."""

_GATHER = 256  # queued pieces sent by one call
_BULK = 64 * 1024  # what comes in smaller pieces is read and written, what fills this goes through a pipe
_CANNOT_MOVE = frozenset({errno.EINVAL, errno.ENOSYS})
_LINGER_RESET = struct.pack("ii", 1, 0)


class Direction(Protocol):
    """The direction that a side feeds, as the side sees it."""

    direct: bool
    received: int
    sent: int
    source_reset: bool

    def push(self, data: bytes) -> None:
        """Take bytes through the toxics."""
        ...

    def source_ended(self) -> None:
        """No more bytes will come."""
        ...

    def drained(self) -> None:
        """The target has taken everything that waited for it."""
        ...

    def sink_lost(self) -> None:
        """The target takes nothing any more."""
        ...

    def abandon(self) -> None:
        """Give the connection up."""
        ...


class Side:
    """A socket with its queue of unsent bytes; bytes of a direction without active toxics go straight across."""

    __slots__ = (
        "_bulk", "_fd", "_loop", "_mask", "_send_across", "_tube", "_watched", "fed_by", "feeds", "peer", "queue",
        "queued", "sock",
    )  # fmt: skip

    feeds: Direction
    fed_by: Direction
    peer: Side

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self.sock = sock
        self.queue: deque[memoryview] = deque()
        self.queued = 0
        self._loop = loop
        self._fd = sock.fileno()
        self._mask = 0
        self._watched = False
        self._bulk = False
        self._tube: Tube | None = None  # bytes that wait, older than those of the queue

    def join(self, peer: Side, feeds: Direction, fed_by: Direction) -> None:
        """Tie the side to the other one and to the two directions."""
        self.peer = peer
        self.feeds = feeds
        self.fed_by = fed_by
        self._send_across = peer.sock.send

    def on_event(self, mask: int) -> None:
        """Write if there is room, read if something may be there."""
        if mask & WRITE and self.queued:
            self._flush()
        if self._mask & READ:
            if mask != WRITE:
                self._receive()
        elif mask & BROKEN and self._watched:
            self._hung_up()

    def abandon(self) -> None:
        """Give the connection up after an unforeseen failure."""
        self.feeds.abandon()

    @property
    def reading(self) -> bool:
        """Whether bytes are read as they come."""
        return bool(self._mask & READ)

    def resume(self) -> None:
        """Read as bytes come."""
        self._set(self._mask | READ)

    def pause(self) -> None:
        """Read nothing for now, so that the sender feels it."""
        if self._watched:
            self._set(self._mask & ~READ)

    def write(self, data: bytes | memoryview) -> int:
        """Send bytes or queue them; return how many the kernel took now, 0 when the socket is dead."""
        sent = 0
        if not self.queued:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                pass
            except OSError:
                self.lost()
                return 0
        if sent < len(data):
            self.enqueue(memoryview(data)[sent:])
        return sent

    def enqueue(self, data: memoryview) -> None:
        """Keep bytes until the socket takes them."""
        self.queue.append(data)
        self.queued += len(data)
        self._set(self._mask | WRITE)

    def lost(self) -> None:
        """The socket is dead for writing; what its owner sent before may still be there to read."""
        self._forget_waiting()
        self.feeds.source_reset = True
        if self._watched:
            self._set(self._mask & READ)
        self.fed_by.sink_lost()

    def end(self) -> None:
        """Send FIN and keep reading."""
        with contextlib.suppress(OSError):  # the other end may have gone: reading will tell
            self.sock.shutdown(socket.SHUT_WR)

    def close(self, *, reset: bool) -> None:
        """Close the socket, with RST when asked."""
        if reset:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._mask = 0
        self._watched = False
        self._forget_waiting()
        self._loop.discard(self.sock)

    def drain(self) -> None:
        """Read away what has come, because closing a socket with unread bytes destroys those sent last."""
        with contextlib.suppress(OSError):
            os.read(self._fd, HIGH_WATER)

    def _receive(self) -> None:
        feeds = self.feeds
        if self._bulk and feeds.direct and not self.peer.queued and self._moved():
            return
        try:
            data = os.read(self._fd, _BULK)
        except BlockingIOError:
            return
        except OSError:
            self.lost()
            feeds.source_ended()
            return
        if not data:
            feeds.source_ended()
            return
        count = len(data)
        feeds.received += count
        if count == _BULK:
            self._bulk = True
        if not feeds.direct or self.peer.queued:
            feeds.push(data)
            return
        try:
            sent = self._send_across(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.peer.lost()
            return
        feeds.sent += sent
        if sent != count:
            self.peer.enqueue(memoryview(data)[sent:])
            self.pause()

    def _moved(self) -> bool:
        """Move bulk across without a copy; False when it has to be copied after all."""
        tube = self._loop.tubes.take()
        if tube is None:
            return False
        try:
            count = tube.fill(self._fd)
        except OSError as problem:
            self._loop.tubes.give_back(tube)
            if problem.errno in _CANNOT_MOVE:
                self._loop.tubes.give_up()
            return False  # reading will meet it again and tell
        self._bulk = count >= _BULK
        if not count:
            self._loop.tubes.give_back(tube)
            self.feeds.source_ended()
            return True
        self.feeds.received += count
        self.peer.take_over(tube)
        if self.peer.queued:
            self.pause()
        return True

    def take_over(self, tube: Tube) -> None:
        """Send what a pipe holds; what the kernel does not take now waits in it."""
        self._tube = tube
        self.queued = tube.held
        self._flush()
        if self.queued:
            self._set(self._mask | WRITE)

    def _forget_waiting(self) -> None:
        self.queue.clear()
        self.queued = 0
        if self._tube is not None:
            self._loop.tubes.give_back(self._tube)
            self._tube = None

    def _send_waiting(self) -> int:
        if self._tube is None:
            sent = self.sock.sendmsg(list(islice(self.queue, _GATHER)))
            self._drop_sent(sent)
            return sent
        sent = self._tube.drain(self._fd)
        if not self._tube.held:
            self._loop.tubes.give_back(self._tube)
            self._tube = None
        return sent

    def _flush(self) -> None:
        try:
            sent = self._send_waiting()
        except BlockingIOError:
            return
        except OSError:
            self.lost()
            return
        self.queued -= sent
        self.fed_by.sent += sent
        if not self.queued:
            self._set(self._mask & READ)
            self.fed_by.drained()

    def _drop_sent(self, sent: int) -> None:
        queue = self.queue
        while sent:
            first = queue.popleft()
            if sent < len(first):
                queue.appendleft(first[sent:])
                return
            sent -= len(first)

    def _hung_up(self) -> None:
        """An error or hang-up came while nothing is read: it would be reported for ever, so listen no more."""
        self._loop.mute(self._fd)
        self._watched = False
        self._mask = 0
        if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.lost()

    def _set(self, mask: int) -> None:
        if not self._watched:
            self._loop.watch(self._fd, mask, self)
            self._watched = True
        elif mask != self._mask:
            self._loop.change(self._fd, mask)
        self._mask = mask
