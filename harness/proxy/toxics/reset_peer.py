"""reset_peer: the connection ends with RST."""

from __future__ import annotations

from typing import ClassVar

from harness.proxy.toxics.base import Channel, Stage
from harness.proxy.toxics.spec import ToxicSpec


class ResetPeer(Stage):
    """Reset both sides ``timeout`` milliseconds after the first chunk or the end, dropping every byte.

    Toxiproxy resets only connections opened after the toxic was added and closes older ones orderly; here both are
    reset.
    """

    __slots__ = ("_triggered",)
    attributes: ClassVar[tuple[str, ...]] = ("timeout",)

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        super().__init__(channel, toxic)
        self._triggered = False

    def on_chunk(self, data: bytes) -> None:
        """Drop the bytes and start the countdown."""
        self.swallow(len(data))
        self._trigger()

    def on_end(self) -> None:
        """Start the countdown."""
        self._trigger()

    def on_timer(self) -> None:
        """Reset."""
        self.channel.reset()

    def on_update(self) -> None:
        """Start a running countdown over."""
        if self._triggered:
            self._countdown()

    def release(self) -> None:
        """Reset at once if the countdown runs: bytes are missing already."""
        super().release()
        if self._triggered:
            self.channel.reset()

    def _trigger(self) -> None:
        if not self._triggered:
            self._triggered = True
            self._countdown()

    def _countdown(self) -> None:
        timeout = self.toxic.attributes["timeout"]
        if timeout > 0:
            self.arm(self.channel.loop.now() + timeout / 1000)
        else:
            self.channel.reset()
