"""When each fault was in place, for telling which of them a message lived through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.history.ingest import History


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """One fault from its command to its healing, on the monotonic clock; None: it never got there."""

    fault: str
    kind: str
    target: str
    commanded_ns: int | None
    installed_ns: int | None
    healed_ns: int | None

    @property
    def from_ns(self) -> int | None:
        """When it may first have bitten: between the command and its read-back it is already at work."""
        return self.installed_ns if self.commanded_ns is None else self.commanded_ns

    def overlaps(self, from_ns: int, to_ns: int) -> bool:
        """Tell whether it was in place at some moment of a span."""
        begun = self.from_ns
        return begun is not None and begun <= to_ns and (self.healed_ns is None or self.healed_ns >= from_ns)


def fault_windows(history: History) -> tuple[FaultWindow, ...]:
    """Return the faults of a run in the order in which they began."""
    rows = history.rows(
        "select fault, coalesce(kind, ''), coalesce(target, ''), commanded_ns, installed_ns, healed_ns"
        " from fault_windows order by coalesce(commanded_ns, installed_ns), fault"
    )
    return tuple(FaultWindow(*row) for row in rows)


def bearing_on(
    windows: Iterable[FaultWindow], from_ns: int, to_ns: int, *, vanished: bool = False
) -> tuple[FaultWindow, ...]:
    """Return the faults that were in place during a span of a message's life.

    A message that ``vanished`` after it was stored may have been erased by a later fault: if none was in place during
    the span, the next one is returned.
    """
    known = tuple(windows)
    found = tuple(window for window in known if window.overlaps(from_ns, to_ns))
    if found or not vanished:
        return found
    later = [window for window in known if window.from_ns is not None and window.from_ns > to_ns]
    return tuple(later[:1])
