"""limit_data: the connection closes after so many bytes."""

from __future__ import annotations

from typing import ClassVar

from harness.proxy.toxics.base import Channel, Stage
from harness.proxy.toxics.spec import ToxicSpec


class LimitData(Stage):
    """Pass ``bytes`` bytes of this direction, then close; an update keeps the count."""

    __slots__ = ("_passed",)
    attributes: ClassVar[tuple[str, ...]] = ("bytes",)

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        super().__init__(channel, toxic)
        self._passed = 0

    def on_chunk(self, data: bytes) -> None:
        """Pass what is left of the allowance; close when it is used up."""
        left = max(0, self.toxic.attributes["bytes"] - self._passed)
        if left:
            self._passed += min(left, len(data))
            self.next.on_chunk(data[:left])
        if len(data) >= left:
            self.swallow(max(0, len(data) - left))
            self.channel.cut(self.next)
