"""What a toxic is: a stage in one direction of one connection, driven by chunks, the end and a timer.

Stages are push-based state machines. A stage passes on what it lets through by ``self.next``; what it keeps it must
hand on in ``release`` when it is taken out. Everything runs in the loop's thread, so nothing here needs a lock.
"""

from __future__ import annotations

import random
from typing import ClassVar, Protocol

from harness.proxy.loop import Loop, Timer
from harness.proxy.toxics.spec import ToxicSpec

PIECES_PER_ROUND = 64
"""Chunks that a stage passes on before others have their turn: a megabyte in single bytes must stop nobody."""


class Sink(Protocol):
    """Where a stage sends what it lets through: the next stage or the far socket."""

    def on_chunk(self, data: bytes) -> None:
        """Take bytes."""
        ...

    def on_end(self) -> None:
        """Take the end of the stream; no chunk follows."""
        ...


class Channel(Sink, Protocol):
    """The direction of a connection that a stage works in, as a stage sees it."""

    loop: Loop
    held: int
    delayed: int
    done: bool

    def cut(self, after: Sink) -> None:
        """Take no more bytes, let ``after`` deliver what has passed, then close the whole connection."""
        ...

    def reset(self) -> None:
        """End the connection now, both sides with RST."""
        ...

    def ease(self) -> None:
        """Read on if what is under way has become little enough."""
        ...

    def rng(self, toxic: str) -> random.Random:
        """Return this connection's own random stream for a toxic."""
        ...


class Stage:
    """One toxic at work on one direction of one connection; this base passes everything through."""

    __slots__ = ("_rng", "_timer", "channel", "next", "toxic")

    touches_data: ClassVar[bool] = True
    attributes: ClassVar[tuple[str, ...]] = ()
    reservoir: ClassVar[int] = 0
    """Bytes it may keep without the sender being slowed down."""

    def __init__(self, channel: Channel, toxic: ToxicSpec) -> None:
        self.channel = channel
        self.toxic = toxic
        self.next: Sink = channel
        self._timer: Timer | None = None
        self._rng: random.Random | None = None

    def on_chunk(self, data: bytes) -> None:
        """Bytes have come."""
        self.next.on_chunk(data)

    def on_end(self) -> None:
        """The sender has ended its stream."""
        self.next.on_end()

    def on_timer(self) -> None:
        """The moment given to ``arm`` has come."""

    def on_update(self) -> None:
        """The toxic's attributes have changed."""

    def on_remove(self) -> None:
        """The toxic was deleted."""
        self.release()

    def release(self) -> None:
        """Pass on everything kept back; this stage no longer applies."""
        self.disarm()

    def arm(self, when: float) -> None:
        """Have ``on_timer`` called at that moment, and no earlier one; a finished direction arms nothing."""
        self.disarm()
        if not self.channel.done:
            self._timer = self.channel.loop.call_at(when, self._fire)

    def disarm(self) -> None:
        """Void the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def armed(self) -> bool:
        """Whether ``on_timer`` is still to come."""
        return self._timer is not None

    @property
    def rng(self) -> random.Random:
        """The random stream of this toxic on this connection, made when first needed."""
        if self._rng is None:
            self._rng = self.channel.rng(self.toxic.name)
        return self._rng

    def swallow(self, size: int) -> None:
        """Count bytes that go no further."""
        self.channel.held += size
        self.channel.ease()

    def _fire(self) -> None:
        self._timer = None
        self.on_timer()
        self.channel.ease()
