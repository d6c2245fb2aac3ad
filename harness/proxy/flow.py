"""One direction of a connection: from the socket that is read, through the toxics, to the socket that is written."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Protocol

from harness.proxy.loop import Loop
from harness.proxy.side import HIGH_WATER, Side
from harness.proxy.toxics import TOXICS, Sink, Stage, ToxicSpec


class Owner(Protocol):
    """The connection, as its directions see it."""

    loop: Loop

    def direction_done(self) -> None:
        """One direction has delivered everything, or can deliver no more."""
        ...

    def close(self, *, reset: bool, cut: bool) -> None:
        """End both directions now."""
        ...

    def struck_by(self, toxic: ToxicSpec) -> bool:
        """Whether a toxic applies to this connection, given its toxicity."""
        ...

    def rng(self, toxic: str) -> random.Random:
        """Return the connection's random stream for a toxic."""
        ...


class Flow:
    """Counts bytes, runs them through the stages and holds the sender back when too much is under way.

    ``received`` bytes were read, ``sent`` went out, ``held`` were swallowed; the rest is under way. ``delayed`` were
    kept back before they went on. ``direct`` says that no stage looks at bytes.
    """

    __slots__ = (
        "_cutting", "_ended", "_last", "_owner", "_stages", "delayed", "direct", "done", "held", "limit", "loop",
        "received", "sent", "source", "source_reset", "target",
    )  # fmt: skip

    def __init__(self, owner: Owner, source: Side, target: Side) -> None:
        self.loop = owner.loop
        self.source = source
        self.target = target
        self.received = self.sent = self.held = self.delayed = 0
        self.direct = True
        self.done = False
        self.source_reset = False
        self.limit = HIGH_WATER
        self._owner = owner
        self._stages: list[Stage] = []
        self._ended = False  # nothing more is read
        self._last = False  # the end has passed all stages
        self._cutting = False

    def install(self, toxics: Iterable[ToxicSpec]) -> None:
        """Put the toxics that strike this connection behind those already there."""
        if not self.done:
            struck = [TOXICS[toxic.type](self, toxic) for toxic in toxics if self._owner.struck_by(toxic)]
            if struck:
                self._stages += struck
                self._relink()

    def update(self, toxic: ToxicSpec) -> None:
        """Let a toxic's new attributes and toxicity act."""
        stage = self._stage(toxic)
        struck = self._owner.struck_by(toxic)
        if stage is not None and struck:
            stage.on_update()
        elif stage is not None:
            self._take_out(stage, stage.release)
        elif struck and not self.done:
            place = sum(other.toxic.order < toxic.order for other in self._stages)
            self._stages.insert(place, TOXICS[toxic.type](self, toxic))
            self._relink()
        self.ease()

    def remove(self, toxic: ToxicSpec) -> None:
        """Take a deleted toxic out."""
        stage = self._stage(toxic)
        if stage is not None:
            self._take_out(stage, stage.on_remove)
            self.ease()

    def push(self, data: bytes) -> None:
        """Send bytes that were just read through the stages."""
        self._first().on_chunk(data)
        if self.under_way > self.limit:
            self.source.pause()

    def on_chunk(self, data: bytes) -> None:
        """Write bytes that passed all stages."""
        if not self.done and not self._last:
            self.sent += self.target.write(data)
            if self.target.queued > HIGH_WATER:
                self.source.pause()

    def source_ended(self) -> None:
        """The sender's FIN or RST has come: the end goes through the stages as bytes do."""
        self.source.pause()
        if not self._ended:
            self._ended = True
            self._first().on_end()

    def on_end(self) -> None:
        """The end has passed all stages: hand it on once the target has taken all bytes."""
        self._last = True
        if not self.target.queued:
            self._hand_on_end()

    def drained(self) -> None:
        """The target has taken all bytes: the end may follow, or more bytes."""
        if self._last:
            self._hand_on_end()
        else:
            self.ease()

    def sink_lost(self) -> None:
        """The target takes nothing any more."""
        if not self.done:
            self.finish()
            self.source.pause()
            self._owner.direction_done()

    def cut(self, after: Sink) -> None:
        """Take no more bytes, let ``after`` deliver what has passed, then close the whole connection."""
        if not self._cutting and not self.done:
            self._cutting = self._ended = True
            self.source.pause()
            after.on_end()

    def reset(self) -> None:
        """End the connection now, both sides with RST."""
        self._owner.close(reset=True, cut=True)

    def abandon(self) -> None:
        """End the connection because of an unforeseen failure."""
        self._owner.close(reset=True, cut=True)

    def ease(self) -> None:
        """Read on if what is under way has become little enough."""
        if self._ended or self.done or self.source.reading:
            return
        if self.target.queued <= HIGH_WATER // 2 and self.under_way <= self.limit // 2:
            self.source.resume()

    def rng(self, toxic: str) -> random.Random:
        """Return this connection's own random stream for a toxic."""
        return self._owner.rng(toxic)

    def finish(self) -> None:
        """Let nothing pass any more and void all timers."""
        self.done = True
        for stage in self._stages:
            stage.disarm()
        self._stages = []

    @property
    def under_way(self) -> int:
        """Bytes read that have neither gone out nor been swallowed."""
        return self.received - self.sent - self.held

    def _hand_on_end(self) -> None:
        if self.done:
            return
        if self._cutting or self.source_reset:
            self._owner.close(reset=not self._cutting, cut=self._cutting)
            return
        self.finish()
        self.target.end()
        self._owner.direction_done()

    def _first(self) -> Sink:
        return self._stages[0] if self._stages else self

    def _stage(self, toxic: ToxicSpec) -> Stage | None:
        return next((stage for stage in self._stages if stage.toxic is toxic), None)

    def _take_out(self, stage: Stage, let_go: Callable[[], None]) -> None:
        let_go()
        if stage in self._stages:  # letting go may have ended the connection
            self._stages.remove(stage)
            self._relink()

    def _relink(self) -> None:
        following: Sink = self
        for stage in reversed(self._stages):
            stage.next = following
            following = stage
        self.direct = not any(stage.touches_data for stage in self._stages)
        self.limit = HIGH_WATER + sum(stage.reservoir for stage in self._stages)
