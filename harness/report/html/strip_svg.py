"""Draws all messages of a run in one picture, under the faults and phases that they lived through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.report.html.bars import ROW, draw_bar
from harness.report.html.markup import Html, el, join, number
from harness.report.html.scale import TIMES, TimeAxis, decades, even, lasting, log_share, since, ticks
from harness.report.html.strip import COLUMNS, FLOOR_NS, PER_DECADE, Cell, Hit, Strip

WIDTH = 1080
LEFT, RIGHT = 104, 1064
PLOT = 160
MOST_FAULTS = 10
LINKED = 300
_RAIL = 30
_MIDDLE = 11
_MANY = 10
_NEAR = 16.0
_COUNT_ROOM = 44.0
_NARROW = 58


@dataclass(frozen=True, slots=True)
class Frame:
    """Where everything lies; heights grow downwards, slow messages lie above quick ones."""

    time: TimeAxis
    rail: float
    undone: float | None
    top: float
    bottom: float
    slowest_ns: int

    def height(self, took_ns: float) -> float:
        """Return where a duration lies."""
        return self.bottom - log_share(took_ns, FLOOR_NS, self.slowest_ns) * (self.bottom - self.top)


def draw_strip(strip: Strip, colours: Mapping[str, str], anchors: Mapping[str, str]) -> Html:
    """Return the picture; ``anchors`` gives the section to which the dot of a message leads."""
    faults = strip.faults[:MOST_FAULTS]
    frame = _frame(strip, len(faults))
    parts = [
        _phases(strip, frame),
        *(_fault(strip, frame, index, colours) for index in range(len(faults))),
        _heights(strip, frame),
        _seconds(strip, frame),
        _rails(strip, frame),
        _quiet_dots(strip, frame),
        _hits(strip, frame, anchors),
    ]
    height = frame.bottom + 36
    label = f"{strip.accepted} accepted messages by the time of their acknowledgement"
    return el("svg", *parts, class_="strip", viewBox=f"0 0 {WIDTH} {number(height)}", role="img", aria_label=label)


def _frame(strip: Strip, faults: int) -> Frame:
    rail = 22.0 + ROW * faults + 6
    below = rail + (_RAIL if any(hit.lost for hit in strip.hits) else 0)
    partly = any(cell.row is None for cell in strip.cells) or any(map(_partly, strip.hits))
    undone = below if partly else None
    top = below + (_RAIL if partly else 0) + 6
    slowest = max(strip.slowest_ns, strip.promised_ns or 0, 10_000_000)
    return Frame(
        time=even(strip.from_ns, strip.to_ns, LEFT, RIGHT),
        rail=rail,
        undone=undone,
        top=top,
        bottom=top + PLOT,
        slowest_ns=decades(FLOOR_NS, slowest)[-1],
    )


def _phases(strip: Strip, frame: Frame) -> Html:
    marks = []
    free = 0.0
    for name, moment in strip.phases:
        x = frame.time.x(moment)
        if moment < strip.from_ns or x < free or x > RIGHT - _NARROW:
            continue
        free = x + max(_NARROW, len(name) * 6.5)
        marks.append(el("line", class_="phase", x1=x, x2=x, y1=4.0, y2=frame.bottom))
        marks.append(el("text", name, class_="phase", x=x + 4, y=13.0))
    return join(marks)


def _fault(strip: Strip, frame: Frame, index: int, colours: Mapping[str, str]) -> Html:
    """A bar in its own row, and the same span faintly behind all messages."""
    fault = strip.faults[index]
    y = 22.0 + ROW * index
    told = f"{fault.id}: {fault.kind} on {fault.target}, {fault.gap or fault.rung}"
    if fault.started_ns is None:
        return el("text", f"{told} (never began)", class_="fault", x=LEFT + 4.0, y=y + 12)
    left = frame.time.x(fault.started_ns)
    right = frame.time.x(fault.ended_ns or strip.to_ns)
    width = max(right - left, 2.0)
    band = el("rect", class_="band", x=left, y=frame.rail, width=width, height=frame.bottom - frame.rail)
    span = f"{since(strip.origin_ns, fault.started_ns)} to {since(strip.origin_ns, fault.ended_ns)}"
    bar = draw_bar(told, left, right, y, WIDTH)
    return el("g", el("title", f"{told}, {span}"), band, bar, style=f"--c:{colours.get(fault.kind, 'gray')}")


def _heights(strip: Strip, frame: Frame) -> Html:
    marks = []
    for duration in decades(FLOOR_NS, frame.slowest_ns):
        y = frame.height(duration)
        marks.append(el("line", class_="grid", x1=float(LEFT), x2=float(RIGHT), y1=y, y2=y))
        marks.append(el("text", lasting(duration), class_="tick", x=LEFT - 8.0, y=y + 3.5, text_anchor="end"))
    if strip.promised_ns is not None:
        y = frame.height(strip.promised_ns)
        told = f"promised within {lasting(strip.promised_ns)}"
        marks.append(el("line", class_="promised", x1=float(LEFT), x2=float(RIGHT), y1=y, y2=y))
        marks.append(el("text", told, class_="promised", x=LEFT + 4.0, y=y - 3))
    return join(marks)


def _seconds(strip: Strip, frame: Frame) -> Html:
    marks = []
    offset = strip.from_ns - strip.origin_ns
    for second in ticks(strip.origin_ns, strip.to_ns, 14):
        moment = strip.origin_ns + round(second * 1e9)
        if moment - strip.origin_ns < offset:
            continue
        x = frame.time.x(moment)
        marks.append(el("text", f"{second:g} s", class_="tick", x=x, y=frame.bottom + 15, text_anchor="middle"))
        marks.append(el("line", class_="tick", x1=x, x2=x, y1=frame.bottom, y2=frame.bottom + 4))
    axis = "accepted at, since the start of the run"
    return join([*marks, el("text", axis, class_="axis", x=float(RIGHT), y=frame.bottom + 30, text_anchor="end")])


def _rails(strip: Strip, frame: Frame) -> Html:
    marks = []
    if lost := sum(hit.lost for hit in strip.hits):
        marks.append(_rail(f"{lost} lost", frame.rail, "rail lost"))
    if frame.undone is not None:
        marks.append(_rail("not everywhere", frame.undone, "rail"))
    return join(marks)


def _rail(name: str, y: float, kind: str) -> Html:
    ground = el("rect", class_=kind, x=float(LEFT), y=y, width=float(RIGHT - LEFT), height=_RAIL - 8.0, rx=3.0)
    return join([ground, el("text", name, class_=kind, x=LEFT - 8.0, y=y + 15, text_anchor="end")])


def _quiet_dots(strip: Strip, frame: Frame) -> Html:
    """All unremarkable messages in three paths: one, several, many in the same place."""
    classes: tuple[tuple[str, Callable[[int], bool]], ...] = (
        ("one", lambda count: count == 1),
        ("some", lambda count: 1 < count < _MANY),
        ("many", lambda count: count >= _MANY),
    )
    return join(
        _dots(f"dots {name}", [_place(cell, strip, frame) for cell in strip.cells if fits(cell.count)])
        for name, fits in classes
    )


def _place(cell: Cell, strip: Strip, frame: Frame) -> tuple[float, float]:
    x = LEFT + (cell.column + 0.5) * strip.grain * (RIGHT - LEFT) / COLUMNS
    if cell.row is None:
        return min(x, RIGHT), (frame.undone or frame.rail) + _MIDDLE
    return min(x, RIGHT), frame.height(FLOOR_NS * 10 ** ((cell.row + 0.5) * strip.grain / PER_DECADE))


def _dots(kind: str, places: Sequence[tuple[float, float]]) -> Html | None:
    """Points of one path, drawn by its round caps: a few bytes each."""
    if not places:
        return None
    unique = dict.fromkeys(f"M{number(x)} {number(y)}h0" for x, y in places)
    return el("path", class_=kind, d="".join(unique))


def _hits(strip: Strip, frame: Frame, anchors: Mapping[str, str]) -> Html:
    spots = [(hit, frame.time.x(hit.accepted_ns), _hit_height(hit, frame)) for hit in strip.hits]
    linked = [spot for spot in spots if spot[0].name in anchors]
    linked += [spot for spot in spots if spot[0].name not in anchors][: LINKED - len(linked)]
    shown = {spot[0].name for spot in linked}
    rest = [(x, y) for hit, x, y in spots if hit.name not in shown]
    on_rail = sorted(x for hit, x, _ in spots if hit.lost)
    return join(
        [
            _dots("dots struck", rest),
            *(_hit(hit, x, y, anchors.get(hit.name)) for hit, x, y in linked),
            *_crowds(on_rail, frame.rail),
        ]
    )


def _hit_height(hit: Hit, frame: Frame) -> float:
    if hit.lost:
        return frame.rail + _MIDDLE
    if hit.took_ns is None:
        return (frame.undone or frame.rail) + _MIDDLE
    return frame.height(hit.took_ns)


def _partly(hit: Hit) -> bool:
    return hit.took_ns is None and not hit.lost


def _hit(hit: Hit, x: float, y: float, anchor: str | None) -> Html:
    dot = el("circle", el("title", f"{hit.check}: {hit.text}"), class_="struck", cx=x, cy=y, r=4.5)
    return dot if anchor is None else el("a", dot, href=f"#{anchor}")


def _clusters(places: Sequence[float]) -> list[list[float]]:
    """Neighbours so near to each other that a person cannot count them."""
    found: list[list[float]] = []
    for place in places:
        if found and place - found[-1][-1] < _NEAR:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def _crowds(places: Sequence[float], rail: float) -> Iterator[Html]:
    """Count what lies too close to be counted, where the number has room before the next dot."""
    clusters = _clusters(places)
    for cluster, following in zip(clusters, [*clusters[1:], [float(RIGHT)]], strict=False):
        edge = following[0]
        if len(cluster) > 1 and edge - cluster[-1] >= _COUNT_ROOM:
            yield el("text", f"{TIMES}{len(cluster)}", class_="crowd", x=cluster[-1] + 9, y=rail + 15.5)
