"""What a drawing of one message's life consists of: lanes, dots, strokes, bands, and the step that never came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

LaneKind = Literal["sender", "link", "service", "archive", "provider", "recipient"]
Tone = Literal["seen", "said", "last", "bad", "second", "faint"]
StrokeTone = Literal["path", "second", "faint", "missing"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One place that a message passes or comes to; ``key`` is unique in a picture."""

    key: str
    kind: LaneKind
    label: str
    role: str


@dataclass(frozen=True, slots=True)
class Dot:
    """Something that was seen in a lane; ``word`` is its label, ``title`` tells all."""

    lane: str
    at_ns: int
    word: str
    title: str
    tone: Tone = "seen"


@dataclass(frozen=True, slots=True)
class Stroke:
    """The way from one dot to the next; ``broken`` ends it with a cross: it did not get any further."""

    from_lane: str
    from_ns: int
    to_lane: str
    to_ns: int
    tone: StrokeTone = "path"
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A fault while it was in place, behind the lanes of its target."""

    fault: str
    lanes: tuple[str, ...]
    from_ns: int
    to_ns: int
    colour: str
    label: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The step that should have come, with the moment by which it had to."""

    lane: str
    at_ns: int
    word: str
    from_lane: str
    from_ns: int


@dataclass(frozen=True, slots=True)
class Picture:
    """The life of one message on its lanes; ``hidden`` lanes of other devices were left out."""

    origin_ns: int
    lanes: tuple[Lane, ...]
    dots: tuple[Dot, ...]
    strokes: tuple[Stroke, ...]
    bands: tuple[Band, ...]
    missing: Missing | None
    hidden: int = 0

    def moments(self) -> Iterator[int]:
        """Yield every moment that needs a place of its own on the axis of time."""
        yield from (dot.at_ns for dot in self.dots)
        for stroke in self.strokes:
            yield from (stroke.from_ns, stroke.to_ns)
        for band in self.bands:
            yield from (band.from_ns, band.to_ns)
        if self.missing:
            yield from (self.missing.from_ns, self.missing.at_ns)
