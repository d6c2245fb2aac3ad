"""bandwidth: no more than so many kilobytes a second."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from harness.proxy.toxics.base import PIECES_PER_ROUND, Channel, Stage
from harness.proxy.toxics.spec import ToxicSpec

_LONGEST_PIECE_MS = 100


class Bandwidth(Stage):
    """Send at ``rate`` KB/s (1 KB = 1000 bytes), in pieces of at most 100 ms; 0 or less stalls until changed."""

    __slots__ = ("_ended", "_free_at", "_queue")
    attributes: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        super().__init__(channel, toxic)
        self._queue: deque[bytes] = deque()
        self._free_at = 0.0
        self._ended = False

    def on_chunk(self, data: bytes) -> None:
        """Queue the bytes behind those that are still on their way."""
        self.channel.delayed += len(data)
        self._queue.append(data)
        if not self.armed:
            self._send_head()

    def on_end(self) -> None:
        """End behind the last bytes."""
        self._ended = True
        if not self._queue:
            self.next.on_end()

    def on_timer(self) -> None:
        """The head piece has taken its time: pass it on, with all others whose time is over too."""
        now = self.channel.loop.now()
        for _ in range(PIECES_PER_ROUND):
            if self._queue and self._free_at <= now:
                self.next.on_chunk(self._queue.popleft())
                self._start_head(self._free_at)
        if self._queue:
            self._rearm()
        elif self._ended:
            self.next.on_end()

    def on_update(self) -> None:
        """Send what waits at the new rate."""
        if self._queue:
            self._send_head()

    def release(self) -> None:
        """Pass everything on at once."""
        super().release()
        rest = b"".join(self._queue)
        self._queue.clear()
        if rest:
            self.next.on_chunk(rest)
            if self._ended:
                self.next.on_end()

    def _send_head(self) -> None:
        self._start_head(max(self.channel.loop.now(), self._free_at if not self.armed else 0.0))
        self._rearm()

    def _start_head(self, since: float) -> None:
        """Cut the head to a piece and plan when it will have been sent."""
        rate = self.toxic.attributes["rate"]  # KB/s, which is bytes a millisecond
        if not self._queue or rate <= 0:
            return
        head = self._queue.popleft()
        if len(head) > rate * _LONGEST_PIECE_MS:
            self._queue.appendleft(head[rate * _LONGEST_PIECE_MS :])
            head = head[: rate * _LONGEST_PIECE_MS]
        self._queue.appendleft(head)
        self._free_at = since + len(head) / rate / 1000

    def _rearm(self) -> None:
        if self.toxic.attributes["rate"] > 0:
            self.arm(self._free_at)
        else:
            self.disarm()
