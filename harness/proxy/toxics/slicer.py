"""slicer: chunks arrive in small pieces, one by one."""

from __future__ import annotations

import random
from collections import deque
from typing import ClassVar

from harness.proxy.toxics.base import Channel, Stage
from harness.proxy.toxics.spec import ToxicSpec

_PIECES_PER_ROUND = 64  # so that a megabyte cut into bytes does not stop the other connections


def cut_points(size: int, average: int, variation: int, rng: random.Random) -> list[int]:
    """Return the sizes into which a chunk is cut, by halving until a piece is near the average.

    An average below 1, which crashes Toxiproxy, means no slicing; every piece has at least one byte.
    """
    if average <= 0:
        return [size]
    sizes: list[int] = []
    todo = [size]
    while todo:
        piece = todo.pop()
        if piece <= 1 or piece - average <= variation:
            sizes.append(piece)
            continue
        half = piece // 2
        if variation > 0:
            half += rng.randrange(2 * variation) - variation
        half = min(max(half, 1), piece - 1)
        todo += (piece - half, half)
    return sizes


class Slicer(Stage):
    """Cut into pieces of ``average_size`` give or take ``size_variation`` bytes, ``delay`` microseconds apart."""

    __slots__ = ("_ended", "_pieces")
    attributes: ClassVar[tuple[str, ...]] = ("average_size", "size_variation", "delay")

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        super().__init__(channel, toxic)
        self._pieces: deque[bytes] = deque()
        self._ended = False

    def on_chunk(self, data: bytes) -> None:
        """Cut the bytes and send the first piece if no other waits."""
        start = 0
        attributes = self.toxic.attributes
        for size in cut_points(len(data), attributes["average_size"], attributes["size_variation"], self.rng):
            self._pieces.append(data[start : start + size])
            start += size
        if not self.armed:
            self.on_timer()
        self.channel.delayed += min(len(data), sum(map(len, self._pieces)))

    def on_end(self) -> None:
        """End behind the last piece and its delay."""
        self._ended = True
        if not self.armed:
            self.next.on_end()

    def on_timer(self) -> None:
        """Send the next piece; without a delay, as many as one round may take."""
        delay = max(0, self.toxic.attributes["delay"]) / 1_000_000
        had_pieces = bool(self._pieces)
        for _ in range(1 if delay else _PIECES_PER_ROUND):
            if self._pieces:
                self.next.on_chunk(self._pieces.popleft())
        if self._pieces or (delay and had_pieces):
            self.arm(self.channel.loop.now() + delay)
        elif self._ended:
            self.next.on_end()

    def release(self) -> None:
        """Pass the rest on in one piece."""
        waiting = self.armed
        super().release()
        rest = b"".join(self._pieces)
        self._pieces.clear()
        if rest:
            self.next.on_chunk(rest)
        if waiting and self._ended:
            self.next.on_end()
