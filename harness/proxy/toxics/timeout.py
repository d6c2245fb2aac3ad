"""timeout: a black hole that closes the connection when it has been quiet for long enough."""

from __future__ import annotations

from typing import ClassVar

from harness.proxy.toxics.base import Channel, Stage
from harness.proxy.toxics.spec import ToxicSpec


class Timeout(Stage):
    """Swallow all bytes; close after ``timeout`` milliseconds without any, or never when it is 0.

    Each chunk starts the time anew and deleting the toxic closes the connection: both are Toxiproxy's behaviour.
    """

    __slots__ = ("_deadline",)
    attributes: ClassVar[tuple[str, ...]] = ("timeout",)

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        super().__init__(channel, toxic)
        self._deadline = 0.0
        self.on_update()

    def on_chunk(self, data: bytes) -> None:
        """Drop the bytes and start the time anew."""
        self._deadline = self._next_deadline()
        self.swallow(len(data))

    def on_timer(self) -> None:
        """Close, unless bytes have moved the deadline since."""
        if self._deadline <= self.channel.loop.now():
            self.channel.cut(self.next)
        else:
            self.arm(self._deadline)

    def on_update(self) -> None:
        """Count from now."""
        self._deadline = self._next_deadline()
        if self.toxic.attributes["timeout"] > 0:
            self.arm(self._deadline)
        else:
            self.disarm()

    def on_remove(self) -> None:
        """Close: bytes are missing, so what comes next would make no sense."""
        super().on_remove()
        self.channel.cut(self.next)

    def _next_deadline(self) -> float:
        return self.channel.loop.now() + self.toxic.attributes["timeout"] / 1000
