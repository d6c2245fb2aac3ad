"""What the embedded server has to reach beside the real Toxiproxy, judged from the medians of both. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Figures(Protocol):
    """What was measured of one server under one load."""

    @property
    def per_s(self) -> float:
        """Operations (or MB) a second."""
        ...

    @property
    def p99_us(self) -> float:
        """The time that 99% of the operations do not exceed."""
        ...

    @property
    def cpu_us(self) -> float:
        """CPU time of the server per operation."""
        ...


@dataclass(frozen=True, slots=True)
class Bar:
    """One demand on a ratio of ours to theirs: at least, or at most, so much."""

    load: str
    figure: str
    at_least: float | None = None
    at_most: float | None = None


BARS = (
    Bar("ping 50", "per_s", at_least=1.2),
    Bar("ping 500", "per_s", at_least=1.2),
    Bar("ping 50", "cpu_us", at_most=1.0),
    Bar("ping 500", "cpu_us", at_most=1.0),
    Bar("ping 50", "p99_us", at_most=1.0),
    Bar("ping 500", "p99_us", at_most=1.0),
    Bar("bulk 4", "per_s", at_least=2.0),
    Bar("conn 8", "per_s", at_least=2.0),
)
TITLES: Mapping[str, str] = {"per_s": "", "cpu_us": " cpu", "p99_us": " p99"}


@dataclass(frozen=True, slots=True)
class Measured:
    """A bar and the ratio that was reached."""

    bar: Bar
    ratio: float

    @property
    def holds(self) -> bool:
        """Whether it is reached."""
        bar = self.bar
        return (bar.at_least is None or self.ratio >= bar.at_least) and (
            bar.at_most is None or self.ratio <= bar.at_most
        )

    def __str__(self) -> str:
        bar = self.bar
        demand = f"needs {bar.at_least:g}" if bar.at_least is not None else f"at most {bar.at_most:g}"
        missed = "" if self.holds else f" MISSED, {demand}"
        return f"{bar.load}{TITLES[bar.figure]} {self.ratio:.2f}x{missed}"


def measured(ours: Mapping[str, Figures], theirs: Mapping[str, Figures]) -> list[Measured]:
    """Compare two servers by the names of the loads; a figure that is 0 on their side was not measured and misses."""
    return [Measured(bar, _ratio(bar, ours[bar.load], theirs[bar.load])) for bar in BARS]


def verdict(found: Sequence[Measured]) -> str:
    """Say in one line what was reached and whether that is enough."""
    missed = sum(not one.holds for one in found)
    end = "all hold" if not missed else f"{missed} of {len(found)} missed"
    return f"{', '.join(map(str, found))}: {end}"


def _ratio(bar: Bar, ours: Figures, theirs: Figures) -> float:
    base = getattr(theirs, bar.figure)
    if base > 0:
        return float(getattr(ours, bar.figure) / base)
    return 0.0 if bar.at_least is not None else math.inf
