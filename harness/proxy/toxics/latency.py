"""latency: each chunk leaves later, in order, without less room for bytes under way."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from harness.proxy.toxics.base import PIECES_PER_ROUND, Channel, Stage
from harness.proxy.toxics.spec import ToxicSpec


class Latency(Stage):
    """Delay bytes by ``latency`` plus or minus up to ``jitter`` milliseconds.

    Toxiproxy's reservoir is 1024 chunks of 32 KiB, the same as here. The end is not delayed for itself, but stays
    behind the bytes before it.
    """

    __slots__ = ("_ended", "_queue")
    attributes: ClassVar[tuple[str, ...]] = ("latency", "jitter")
    reservoir: ClassVar[int] = 32 * 1024 * 1024

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        super().__init__(channel, toxic)
        self._queue: deque[tuple[float, float, bytes]] = deque()  # arrived, due, bytes
        self._ended = False

    def on_chunk(self, data: bytes) -> None:
        """Keep the bytes until they are due."""
        arrived = self.channel.loop.now()
        due = self._due(arrived)
        if not self._queue and due <= arrived:
            self.next.on_chunk(data)
            return
        if self._queue:
            due = max(due, self._queue[-1][1])
        self.channel.delayed += len(data)
        self._queue.append((arrived, due, data))
        if not self.armed:
            self.arm(due)

    def on_end(self) -> None:
        """End behind the last bytes."""
        self._ended = True
        if not self._queue:
            self.next.on_end()

    def on_timer(self) -> None:
        """Pass on what is due."""
        now = self.channel.loop.now()
        for _ in range(PIECES_PER_ROUND):
            if self._queue and self._queue[0][1] <= now:
                self.next.on_chunk(self._queue.popleft()[2])
        if self._queue:
            self.arm(self._queue[0][1])
        elif self._ended:
            self.next.on_end()

    def on_update(self) -> None:
        """Count the new delay from when the bytes came."""
        planned: deque[tuple[float, float, bytes]] = deque()
        last = 0.0
        for arrived, _due, data in self._queue:
            last = max(last, self._due(arrived))
            planned.append((arrived, last, data))
        self._queue = planned
        if planned:
            self.arm(planned[0][1])

    def release(self) -> None:
        """Pass everything on at once."""
        super().release()
        rest = b"".join(data for _arrived, _due, data in self._queue)
        self._queue.clear()
        if rest:
            self.next.on_chunk(rest)
            if self._ended:
                self.next.on_end()

    def _due(self, arrived: float) -> float:
        latency, jitter = self.toxic.attributes["latency"], self.toxic.attributes["jitter"]
        spread = self.rng.uniform(-jitter, jitter) if jitter > 0 else 0.0
        return arrived + (latency + spread) / 1000
