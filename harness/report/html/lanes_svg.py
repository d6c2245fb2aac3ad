"""Draws the life of one message: time from left to right, its path from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.report.html.bars import ROW, draw_bar
from harness.report.html.markup import Html, el, join, number
from harness.report.html.picture import Band, Dot, Lane, Missing, Picture, Stroke
from harness.report.html.scale import TimeAxis, since, stretched

WIDTH = 1080
LEFT, RIGHT = 176.0, 1050.0
LANE = 48.0
LONGEST_LABEL = 24
_HEADER = 18.0
_EDGE = 30.0
_LETTER = 6.3
_ABOVE, _BELOW = -9.0, 17.0
_TICK_ROOM = 52.0
_DOT = 9.5
_SMALL = frozenset({"faint", "said"})
_RANK = {"bad": 0, "last": 1, "second": 2, "seen": 3, "said": 4, "faint": 5}


@dataclass(slots=True)
class Room:
    """Which stretches above and below the line of each lane are written on already."""

    taken: dict[tuple[str, float], list[tuple[float, float]]] = field(default_factory=dict)

    def place(self, lane: str, x: float, text: str) -> tuple[float, float] | None:
        """Return the middle and the height of a free place for a text beside a dot, or None."""
        half = len(text) * _LETTER / 2
        middle = min(max(x, LEFT - 20 + half), WIDTH - 4 - half)
        for offset in (_ABOVE, _BELOW):
            others = self.taken.setdefault((lane, offset), [])
            if all(middle + half < left or middle - half > right for left, right in others):
                others.append((middle - half, middle + half))
                return middle, offset
        return None


@dataclass(slots=True)
class Apart:
    """Where dots lie already: two of the same moment lie side by side, so that a person sees two."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    def place(self, lane: str, x: float, *, small: bool) -> float:
        """Return a free place at or right of ``x``; small dots may lie anywhere."""
        if small:
            return x
        others = self.taken.setdefault(lane, [])
        while any(abs(x - other) < _DOT for other in others) and x < RIGHT:
            x += _DOT
        others.append(x)
        return x


@dataclass(frozen=True, slots=True)
class Layout:
    """Where times and lanes lie."""

    axis: TimeAxis
    heights: Mapping[str, float]
    top: float
    bottom: float


def draw_picture(picture: Picture) -> Html:
    """Return the picture as SVG."""
    layout = _layout(picture)
    parts = [
        *(_lane(lane, layout) for lane in picture.lanes),
        *(_band(band, index, layout) for index, band in enumerate(picture.bands)),
        _times(picture, layout),
        *(_stroke(stroke, layout) for stroke in picture.strokes),
        _missing(picture.missing, layout) if picture.missing else None,
        *_dots(picture, layout),
    ]
    return el(
        "svg",
        *parts,
        class_="lanes",
        viewBox=f"0 0 {WIDTH} {number(layout.bottom + 24)}",
        role="img",
        aria_label="the way of the message, from its sender at the top to its recipients at the bottom",
    )


def _layout(picture: Picture) -> Layout:
    top = _HEADER + ROW * len(picture.bands)
    heights = {lane.key: top + LANE * (index + 0.5) for index, lane in enumerate(picture.lanes)}
    axis = stretched(picture.moments(), LEFT + _EDGE, RIGHT - _EDGE)
    return Layout(axis, heights, top, top + LANE * len(picture.lanes))


def _lane(lane: Lane, layout: Layout) -> Html:
    y = layout.heights[lane.key]
    name = lane.label if len(lane.label) <= LONGEST_LABEL else f"{lane.label[: LONGEST_LABEL - 1]}…"
    return el(
        "g",
        el("title", f"{lane.label} ({lane.role})"),
        el("rect", class_="ground", x=0.0, y=y - LANE / 2 + 1, width=float(WIDTH), height=LANE - 2),
        el("line", class_="lane", x1=LEFT, x2=RIGHT, y1=y, y2=y),
        el("text", name, class_="name", x=10.0, y=y),
        el("text", lane.role, class_="role", x=10.0, y=y + 13),
        class_=f"lane {lane.kind}",
    )


def _band(band: Band, index: int, layout: Layout) -> Html:
    left, right = layout.axis.x(band.from_ns), layout.axis.x(band.to_ns)
    width = max(right - left, 3.0)
    y = _HEADER + ROW * index
    grounds = [
        el("rect", class_="band", x=left, y=layout.heights[key] - LANE / 2 + 1, width=width, height=LANE - 2)
        for key in band.lanes
    ]
    edges = [el("line", class_="edge", x1=x, x2=x, y1=y + 7, y2=layout.bottom) for x in (left, left + width)]
    bar = draw_bar(band.label, left, right, y, WIDTH)
    return el("g", el("title", band.label), *grounds, *edges, bar, style=f"--c:{band.colour}")


def _times(picture: Picture, layout: Layout) -> Html:
    """Label as many moments as there is room for, what is missing first."""
    placed: list[float] = []
    marks = []
    wanted = [picture.missing.at_ns] if picture.missing else []
    wanted += [dot.at_ns for dot in sorted(picture.dots, key=lambda dot: _RANK[dot.tone])]
    for moment in wanted:
        x = layout.axis.x(moment)
        if all(abs(x - other) >= _TICK_ROOM for other in placed):
            placed.append(x)
            marks.append(el("line", class_="tick", x1=x, x2=x, y1=layout.bottom, y2=layout.bottom + 5))
            told = since(picture.origin_ns, moment)
            marks.append(el("text", told, class_="tick", x=x, y=layout.bottom + 17, text_anchor="middle"))
    return join(marks)


def _stroke(stroke: Stroke, layout: Layout) -> Html:
    x1, x2 = layout.axis.x(stroke.from_ns), layout.axis.x(stroke.to_ns)
    y1, y2 = layout.heights[stroke.from_lane], layout.heights[stroke.to_lane]
    line = el("line", class_=f"way {stroke.tone}", x1=x1, x2=x2, y1=y1, y2=y2)
    if not stroke.broken:
        return line
    return join([line, _cross(x2, y2, 6.0, "broken")])


def _cross(x: float, y: float, size: float, kind: str) -> Html:
    left, right, top, bottom = (number(place) for place in (x - size, x + size, y - size, y + size))
    return el("path", class_=kind, d=f"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}")


def _missing(missing: Missing, layout: Layout) -> Html:
    x1, x2 = layout.axis.x(missing.from_ns), layout.axis.x(missing.at_ns)
    y1, y2 = layout.heights[missing.from_lane], layout.heights[missing.lane]
    return el(
        "g",
        el("title", missing.word),
        el("line", class_="way missing", x1=x1, x2=x2, y1=y1, y2=y2),
        el("circle", class_="missing", cx=x2, cy=y2, r=10.0),
        _cross(x2, y2, 4.5, "missing"),
    )


def _dots(picture: Picture, layout: Layout) -> Iterator[Html]:
    """What matters most finds room for its words first and lies on top of the rest."""
    room = Room()
    missing = picture.missing
    if missing:
        yield _label(missing.lane, layout.axis.x(missing.at_ns), missing.word, "missing", room, layout)
    drawn = []
    apart = Apart()
    for dot in sorted(picture.dots, key=lambda dot: (_RANK[dot.tone], dot.at_ns)):
        x = apart.place(dot.lane, layout.axis.x(dot.at_ns), small=dot.tone in _SMALL)
        label = _label(dot.lane, x, dot.word, dot.tone, room, layout) if dot.word else None
        drawn.append(_dot(dot, x, layout.heights[dot.lane], label))
    yield from reversed(drawn)


def _dot(dot: Dot, x: float, y: float, label: Html | None) -> Html:
    ring = el("circle", class_="ring", cx=x, cy=y, r=9.0) if dot.tone in {"last", "bad"} else None
    point = el("circle", class_="dot", cx=x, cy=y, r=3.0 if dot.tone in _SMALL else 4.5)
    return el("g", el("title", dot.title), ring, point, label, class_=dot.tone)


def _label(lane: str, x: float, text: str, kind: str, room: Room, layout: Layout) -> Html:
    spot = room.place(lane, x, text)
    if spot is None:
        return Html("")
    middle, offset = spot
    return el("text", text, class_=f"word {kind}", x=middle, y=layout.heights[lane] + offset, text_anchor="middle")


def legend(picture: Picture) -> Sequence[str]:
    """Return the words that explain a picture, as many as it needs."""
    words = ["gaps of time are drawn by their logarithm"]
    if any(dot.tone == "said" for dot in picture.dots):
        words.append("small dots: the service's own log")
    if any(stroke.tone == "faint" for stroke in picture.strokes):
        words.append("grey: the messages before and after it")
    if any(dot.tone == "second" for dot in picture.dots):
        words.append("orange: the second id that the service gave it")
    if picture.hidden:
        words.append(f"{picture.hidden} more devices are not drawn")
    return words
