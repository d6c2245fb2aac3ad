"""Draws latency over time, and under it what the parts of the run used, on one axis of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.results import FaultResult
from harness.report.html.bars import ROW, draw_bar
from harness.report.html.markup import Html, el, join, number
from harness.report.html.pace import Line, Pace, Point
from harness.report.html.scale import TimeAxis, decades, even, lasting, log_share, since, ticks

WIDTH = 1080
LEFT, RIGHT = 104.0, 1064.0
TALL, LOW = 150.0, 76.0
MOST_FAULTS = 10
FLOOR_NS = 1_000_000
"""Whatever took less is drawn as this."""
SHADES = 8
"""How many colours of lines the style sheet has."""
_GAP = 30.0
_ROW = 14.0
_LEGEND = LEFT + 80.0
_LETTER = 6.4
_MARKS = 3

Height = Callable[[float], float]
Mark = tuple[float, str]
"""A value of a panel's scale and what stands beside it."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One set of curves: its title, the marks of its scale, where a value lies between top and bottom."""

    title: str
    lines: Sequence[Line]
    top: float
    bottom: float
    marks: Sequence[Mark]
    height: Height
    rows: Sequence[Sequence[Line]] = ()
    """The legend: which curves are named in each of its rows."""


def draw_pace(pace: Pace, colours: Mapping[str, str]) -> Html:
    """Return the picture; ``colours`` are those of the kinds of faults."""
    time = even(pace.from_ns, pace.to_ns, LEFT, RIGHT)
    faults = pace.faults[:MOST_FAULTS]
    panels = list(_panels(pace, 22.0 + ROW * len(faults) + 14))
    bottom = panels[-1].bottom
    shades = _shades(panels[1:])
    parts = [
        *(_fault(fault, index, pace, time, colours, bottom) for index, fault in enumerate(faults)),
        *(_panel(panel, time, shades) for panel in panels),
        _seconds(pace, time, bottom),
    ]
    label = "latency over time, and what was used meanwhile"
    return el("svg", *parts, class_="pace", viewBox=f"0 0 {WIDTH} {number(bottom + 36)}", role="img", aria_label=label)


def _panels(pace: Pace, top: float) -> Iterator[Panel]:
    yield _latency(pace, top)
    bottom = top + TALL
    rows = _rows(pace.cpu)  # one legend for all: each part has the same colour everywhere
    for title, lines in (("cores", pace.cpu), ("MB", pace.memory), ("open files", pace.files)):
        if lines:
            top = bottom + _GAP + _ROW * max(0, len(rows) - 1)
            bottom = top + LOW
            yield _linear(title, lines, top, bottom, rows)
            rows = []


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Divide the names of curves among as many rows as they need."""
    rows: list[list[Line]] = [[]]
    x = _LEGEND
    for line in lines:
        if x + _room(line) > RIGHT and rows[-1]:
            rows.append([])
            x = _LEGEND
        rows[-1].append(line)
        x += _room(line)
    return rows


def _room(line: Line) -> float:
    return 20 + len(line.name) * _LETTER + 16


def _latency(pace: Pace, top: float) -> Panel:
    bottom = top + TALL
    slowest = max((value for line in pace.latency for _, value in line.points), default=0.0)
    scale = decades(FLOOR_NS, max(round(slowest), 10 * FLOOR_NS))

    def height(value: float) -> float:
        return bottom - log_share(value, scale[0], scale[-1]) * (bottom - top)

    marks = [(one, lasting(one)) for one in scale]
    return Panel("latency", pace.latency, top, bottom, marks, height, _rows(pace.latency))


def _linear(title: str, lines: Sequence[Line], top: float, bottom: float, rows: Sequence[Sequence[Line]]) -> Panel:
    most = max((value for line in lines for _, value in line.points), default=0.0) or 1.0
    marks = [(one, f"{one:g}") for one in ticks(0, round(most * 1e9), _MARKS)]

    def height(value: float) -> float:
        return bottom - value / most * (bottom - top)

    return Panel(title, lines, top, bottom, marks, height, rows)


def _shades(panels: Sequence[Panel]) -> dict[str, int]:
    """Each part has one colour in all panels."""
    names = dict.fromkeys(line.name for panel in panels for line in panel.lines)
    return {name: index for index, name in enumerate(names)}


def _panel(panel: Panel, time: TimeAxis, shades: Mapping[str, int]) -> Html:
    ground = []
    for value, told in panel.marks:
        y = panel.height(value)
        ground.append(el("line", class_="grid", x1=LEFT, x2=RIGHT, y1=y, y2=y))
        ground.append(el("text", told, class_="tick", x=LEFT - 8.0, y=y + 3.5, text_anchor="end"))
    classes = [_class_of(line, index, shades) for index, line in enumerate(panel.lines)]
    curves = [
        el("path", el("title", line.name), class_=f"line {kind}", d=_path(line.points, time, panel.height))
        for line, kind in zip(panel.lines, classes, strict=True)
    ]
    kinds = {line.name: kind for line, kind in zip(panel.lines, classes, strict=True)}
    return join([*ground, *_legend(panel, kinds), *curves])


def _class_of(line: Line, index: int, shades: Mapping[str, int]) -> str:
    if line.name in shades:
        again = " again" if shades[line.name] >= SHADES else ""
        return f"s{shades[line.name] % SHADES}{again}"
    return f"s{index // 2} {'p50' if index % 2 == 0 else 'p95'}"  # two curves for each thing that takes time


def _legend(panel: Panel, kinds: Mapping[str, str]) -> Iterator[Html]:
    yield el("text", panel.title, class_="axis", x=LEFT, y=panel.top - 8)
    for above, row in enumerate(reversed(panel.rows)):
        x, y = _LEGEND, panel.top - 8 - _ROW * above
        for line in row:
            yield el("path", class_=f"line {kinds[line.name]}", d=f"M{number(x)} {number(y - 4)}h16")
            yield el("text", line.name, class_="tick", x=x + 20, y=y)
            x += _room(line)


def _path(points: Sequence[Point], time: TimeAxis, height: Height) -> str:
    places = [f"{number(time.x(moment))} {number(height(value))}" for moment, value in points]
    return f"M{'L'.join(places)}h0" if places else "M0 0"


def _fault(
    fault: FaultResult, index: int, pace: Pace, time: TimeAxis, colours: Mapping[str, str], bottom: float
) -> Html | None:
    """A bar in its own row, and the same span faintly behind all curves."""
    if fault.started_ns is None:
        return None
    left, right = time.x(fault.started_ns), time.x(fault.ended_ns or pace.to_ns)
    span = f"{since(pace.origin_ns, fault.started_ns)} to {since(pace.origin_ns, fault.ended_ns)}"
    y = 8.0 + ROW * index
    band = el("rect", class_="band", x=left, y=y, width=max(right - left, 2.0), height=bottom - y)
    bar = draw_bar(f"{fault.id}: {fault.kind} on {fault.target}", left, right, y, WIDTH)
    return el("g", el("title", f"{fault.id}, {span}"), band, bar, style=f"--c:{colours.get(fault.kind, 'gray')}")


def _seconds(pace: Pace, time: TimeAxis, bottom: float) -> Html:
    marks = []
    for second in ticks(pace.origin_ns, pace.to_ns, 14):
        moment = pace.origin_ns + round(second * 1e9)
        if moment >= pace.from_ns:
            x = time.x(moment)
            marks.append(el("text", f"{second:g} s", class_="tick", x=x, y=bottom + 15, text_anchor="middle"))
            marks.append(el("line", class_="tick", x1=x, x2=x, y1=bottom, y2=bottom + 4))
    axis = "due at, since the start of the run"
    return join([*marks, el("text", axis, class_="axis", x=RIGHT, y=bottom + 30, text_anchor="end")])
