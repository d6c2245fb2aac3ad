"""slicer: chunks arrive in small pieces, one by one."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import ClassVar

from harness.proxy.toxics.base import PIECES_PER_ROUND, Channel, Stage
from harness.proxy.toxics.spec import ToxicSpec


def piece_sizes(size: int, average: int, variation: int, rng: random.Random) -> Iterator[int]:
    """Give the sizes into which a chunk is cut, in order, by halving until a piece is near the average.

    An average below 1, which crashes Toxiproxy, means no slicing; every piece has at least one byte.
    """
    todo = [size]
    while todo:
        piece = todo.pop()
        if average <= 0 or piece <= 1 or piece - average <= variation:
            yield piece
            continue
        half = piece // 2
        if variation > 0:
            half += rng.randrange(2 * variation) - variation
        half = min(max(half, 1), piece - 1)
        todo += (piece - half, half)


class Slicer(Stage):
    """Cut into pieces of ``average_size`` give or take ``size_variation`` bytes, ``delay`` microseconds apart."""

    __slots__ = ("_chunks", "_ended", "_offset", "_sizes")
    attributes: ClassVar[tuple[str, ...]] = ("average_size", "size_variation", "delay")

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        super().__init__(channel, toxic)
        self._chunks: deque[bytes] = deque()
        self._sizes: Iterator[int] = iter(())  # of the pieces of the first chunk, from the offset on
        self._offset = 0
        self._ended = False

    def on_chunk(self, data: bytes) -> None:
        """Queue the bytes and send the first piece if no other waits."""
        self._chunks.append(data)
        if self.armed:
            self.channel.delayed += len(data)
            return
        self.on_timer()
        if self._chunks:
            self.channel.delayed += len(data) - self._offset

    def on_end(self) -> None:
        """End behind the last piece and its delay."""
        self._ended = True
        if not self.armed:
            self.next.on_end()

    def on_timer(self) -> None:
        """Send the next piece; without a delay, as many as one round may take."""
        delay = max(0, self.toxic.attributes["delay"]) / 1_000_000
        had_pieces = bool(self._chunks)
        for _ in range(1 if delay else PIECES_PER_ROUND):
            if self._chunks:
                self.next.on_chunk(self._take_piece())
        if self._chunks or (delay and had_pieces):
            self.arm(self.channel.loop.now() + delay)
        elif self._ended:
            self.next.on_end()

    def release(self) -> None:
        """Pass the rest on in one piece."""
        waiting = self.armed
        super().release()
        rest = b"".join(self._chunks)[self._offset :]
        self._chunks.clear()
        if rest:
            self.next.on_chunk(rest)
        if waiting and self._ended:
            self.next.on_end()

    def _take_piece(self) -> bytes:
        """Cut lazily: a chunk of a quarter megabyte in pieces of one byte must not be cut in one go."""
        chunk, start = self._chunks[0], self._offset
        if not start:
            wanted = self.toxic.attributes
            self._sizes = piece_sizes(len(chunk), wanted["average_size"], wanted["size_variation"], self.rng)
        self._offset += next(self._sizes)
        piece = chunk[start : self._offset]
        if self._offset == len(chunk):
            self._chunks.popleft()
            self._offset = 0
        return piece
