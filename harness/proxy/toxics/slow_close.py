"""slow_close: the end of the stream arrives later."""

from __future__ import annotations

from typing import ClassVar

from harness.proxy.toxics.base import Stage


class SlowClose(Stage):
    """Delay the end of this direction by ``delay`` milliseconds; bytes are not touched."""

    __slots__ = ()
    touches_data: ClassVar[bool] = False
    attributes: ClassVar[tuple[str, ...]] = ("delay",)

    def on_end(self) -> None:
        """Keep the end back."""
        self.arm(self.channel.loop.now() + self.toxic.attributes["delay"] / 1000)

    def on_timer(self) -> None:
        """Let the end pass."""
        self.next.on_end()

    def on_update(self) -> None:
        """Start the new delay over, as Toxiproxy does."""
        if self.armed:
            self.on_end()

    def release(self) -> None:
        """Let a waiting end pass at once."""
        waiting = self.armed
        super().release()
        if waiting:
            self.next.on_end()
