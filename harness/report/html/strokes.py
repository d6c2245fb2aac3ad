"""The way of a message as strokes between lanes: each attempt there and back, then on to everybody who got it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.events import ACCEPTING, FAILING, SENDING, Event
from harness.history.trace import Life, Neighbour
from harness.report.html.lanes import ARCHIVE, Lanes
from harness.report.html.loglines import LogLine
from harness.report.html.picture import Stroke, StrokeTone

_ON_THE_LINE = frozenset({None, "not_connected", "connection_lost", "connect_failed", "timeout"})
_PATIENCE_NS = 5_000_000_000
_PUSHED = frozenset({"push_sent", "push_failed"})
_GOT = frozenset({"recipient_online_delivered", "recipient_synced", "to_device_arrived"})


def strokes_of(life: Life, events: Sequence[Event], said: Sequence[LogLine], lanes: Lanes) -> list[Stroke]:
    """Return the strokes of a life; ``said`` tells when the service itself spoke of the message."""
    heard = [line.mono_ns for line in said if f"service:{line.service}" == lanes.service]
    found = [*_neighbours(life.neighbours, lanes), *_attempts(events, heard, lanes)]
    found += _arrivals(life, events, heard, lanes)
    return [stroke for stroke in found if lanes.has(stroke.from_lane) and lanes.has(stroke.to_lane)]


def service_moment(events: Sequence[Event], heard: Sequence[int], before_ns: int) -> int:
    """Return when the service last had the message in its hands before a moment; the moment itself if nobody knows."""
    known = heard or [event.mono_ns for event in events if event.event in ACCEPTING]
    return max((moment for moment in known if moment <= before_ns), default=before_ns)


def _attempts(events: Sequence[Event], heard: Sequence[int], lanes: Lanes) -> Iterator[Stroke]:
    starts = [event for event in events if event.event in SENDING]
    for start, following in zip(starts, [*starts[1:], None], strict=False):
        until_ns = min(start.mono_ns + _PATIENCE_NS, following.mono_ns if following else start.mono_ns + _PATIENCE_NS)
        reached = next((moment for moment in heard if start.mono_ns <= moment < until_ns), None)
        yield from _attempt(start, _end(start, events), reached, lanes)


def _end(start: Event, events: Sequence[Event]) -> Event | None:
    ends = (event for event in events if event.event in ACCEPTING | FAILING)
    return next((event for event in ends if event.attempt == start.attempt and event.mono_ns >= start.mono_ns), None)


def _attempt(start: Event, end: Event | None, reached: int | None, lanes: Lanes) -> Iterator[Stroke]:
    sent_ns = start.mono_ns
    if end is None:
        yield Stroke(lanes.sender, sent_ns, lanes.link, sent_ns, broken=True)
    elif _answered(end):
        at_ns = reached if reached is not None and reached <= end.mono_ns else (sent_ns + end.mono_ns) // 2
        yield Stroke(lanes.sender, sent_ns, lanes.service, at_ns)
        yield Stroke(lanes.service, at_ns, lanes.sender, end.mono_ns)
    elif reached is not None:
        yield Stroke(lanes.sender, sent_ns, lanes.service, reached)
        yield Stroke(lanes.service, reached, lanes.link, max(reached, end.mono_ns), broken=True)
    else:
        yield Stroke(lanes.sender, sent_ns, lanes.link, end.mono_ns, broken=True)


def _answered(end: Event) -> bool:
    """A refusal is an answer as well; only what happened on the line is none."""
    if end.event in ACCEPTING:
        return True
    return end.outcome == "fail" and (end.http_status is not None or end.error_code not in _ON_THE_LINE)


def _arrivals(life: Life, events: Sequence[Event], heard: Sequence[int], lanes: Lanes) -> Iterator[Stroke]:
    drawn: set[tuple[str, str | None]] = set()
    for event in events:
        lane = lanes.of(event)
        arrived = event.event in _GOT and lane != lanes.sender
        if not (arrived or lane == ARCHIVE or event.event in _PUSHED) or (lane, event.message_id) in drawn:
            continue
        drawn.add((lane, event.message_id))
        pulled = event.event == "recipient_synced"
        from_ns = event.mono_ns if pulled else service_moment(events, heard, event.mono_ns)
        yield Stroke(lanes.service, from_ns, lane, event.mono_ns, _tone(event, life))


def _tone(event: Event, life: Life) -> StrokeTone:
    return "second" if is_second(event, life) else "path"


def is_second(event: Event, life: Life) -> bool:
    """Tell whether an event is about another id than the one that the message was first seen under."""
    if len(life.message_ids) <= 1 or event.message_id is None:
        return False
    return event.message_id != next(one.message_id for one in life.events if one.message_id)


def _neighbours(neighbours: Sequence[Neighbour], lanes: Lanes) -> Iterator[Stroke]:
    """The message before and the one after, greyed: they show that only those in between fared ill."""
    for one in neighbours:
        sender = _device_of(one.sender, lanes)
        if sender is not None:
            yield Stroke(sender, one.started_ns, lanes.service, one.started_ns, "faint")
        yield Stroke(lanes.service, one.started_ns, one.device, one.arrived_ns, "faint")


def _device_of(person: str, lanes: Lanes) -> str | None:
    devices = (lane.key for lane in lanes.all if lane.kind in {"sender", "recipient"})
    return next((device for device in devices if device.partition("/")[0] == person), None)
