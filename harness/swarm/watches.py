"""Tells the engine when the nth event of a kind has happened, so that a fault can start right after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.core.events import Event

Fired = Callable[[str, int], None]
"""Called with the watch's id and the event's ``mono_ns``."""


@dataclass(slots=True)
class _Watch:
    event: str
    of: str | None
    left: int
    each: bool

    def counts(self, fact: Event) -> bool:
        return fact.event == self.event and (self.of is None or self.of in (fact.sender, _owner(fact.device)))


class Watches:
    """Counts recorded events; a watch fires once, or at each event where others count along with it."""

    def __init__(self, fired: Fired) -> None:
        self._fired = fired
        self._waiting: dict[str, _Watch] = {}

    def add(self, watch: str, *, event: str, of: str | None, nth: int, each: bool = False) -> None:
        """Fire at the nth such event from now on; ``of`` is its sender or the owner of its device.

        With ``each`` fire at every one until ``remove``: whoever watches several swarms counts all of theirs.
        """
        self._waiting[watch] = _Watch(event, of, nth, each)

    def remove(self, watch: str) -> None:
        """Watch no more; harmless when nothing is watched under that name."""
        self._waiting.pop(watch, None)

    def see(self, fact: Event) -> None:
        """Take one recorded event."""
        if not self._waiting:
            return
        for name, watch in list(self._waiting.items()):
            if watch.counts(fact):
                watch.left -= 1
                if watch.left <= 0 or watch.each:
                    if not watch.each:
                        del self._waiting[name]
                    self._fired(name, fact.mono_ns)


def _owner(device: str | None) -> str | None:
    return device.partition("/")[0] if device else None
