"""From the life of a message to its picture: a pure translation of events into what is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.core.events import ACCEPTING, FAILING, SENDING, Event
from harness.core.results import Witness
from harness.history.faults import FaultWindow
from harness.history.trace import Life, Neighbour
from harness.history.words import describe, who
from harness.report.html.lanes import ARCHIVE, Lanes, Scene, lanes_of
from harness.report.html.loglines import LogLine
from harness.report.html.picture import Band, Dot, Missing, Picture, Tone
from harness.report.html.scale import since
from harness.report.html.strokes import is_second, service_moment, strokes_of

MOST_DOTS = 120
_WORDS = {
    "client_send_started": "sends",
    "server_accepted": "acknowledged",
    "client_retry_scheduled": "",
    "recipient_online_delivered": "got it live",
    "recipient_synced": "synced",
    "message_read": "read",
    "delivery_receipt_received": "✓✓",
    "read_receipt_received": "✓✓ read",
    "oracle_read": "stored",
    "push_sent": "push taken",
    "push_failed": "push failed",
    "push_displayed": "shown",
    "rate_limited": "limited",
    "to_device_send_started": "sends",
    "to_device_accepted": "kept",
    "to_device_arrived": "got it",
    "to_device_confirmed": "✓",
    "message_persisted": "stores",
    "ack_sent": "acks",
    "fanout_done": "fans out",
}
_ABSENT = {
    "stored": "never stored",
    "server_accepted": "never acknowledged",
    "recipient_online_delivered": "not here in time",
    "recipient_synced": "never got it",
    "client_send_started": "nobody sent it",
    "message_read": "nobody opened it",
}
_AT_SENDER = frozenset({"server_accepted", "client_send_started", "client_retry_scheduled", "client_send_failed"})
_HINTS = frozenset({"delivery_receipt_received", "read_receipt_received", "client_retry_scheduled"})
_SIGNS = frozenset({"recipient_online_delivered", "recipient_synced", "to_device_arrived"}) | SENDING | ACCEPTING


def picture_of(life: Life, witness: Witness, scene: Scene) -> Picture:
    """Return the picture of a message that a broken promise is about."""
    lanes = lanes_of(life, scene, witness)
    events = _fewer(life.events)
    said = [line for line in scene.said if lanes.has(f"service:{line.service}")][:MOST_DOTS]
    dots = [_dot(event, life, lanes) for event in events if lanes.has(lanes.of(event))]
    dots += [_said(line, life) for line in said]
    dots += [_beside(one, life) for one in life.neighbours if lanes.has(one.device)]
    missing = _missing(life, witness, scene, lanes)
    return Picture(
        origin_ns=life.origin_ns,
        lanes=lanes.all,
        dots=tuple(_marked(dots, life, witness, lanes)),
        strokes=tuple(strokes_of(life, events, said, lanes)),
        bands=tuple(_band(window, life, scene, lanes, missing) for window in life.faults if window.from_ns is not None),
        missing=missing,
        hidden=lanes.hidden,
    )


def unwanted(life: Life, witness: Witness) -> tuple[Event, ...]:
    """Return what should not have happened, or not yet: what was seen at the very moment that a witness names.

    That somebody sent is never wrong: a witness that names that moment says since when, not what.
    """
    at_once = [one for one in life.events if one.mono_ns == witness.mono_ns and one.event not in SENDING]
    if witness.missing_step is None:
        return tuple(at_once)
    return tuple(event for event in at_once if event.device and event.device == witness.device)


def last_sign(life: Life, witness: Witness) -> Event | None:
    """Return the last step that anybody saw of the message before it went missing; None when nothing is missing."""
    if witness.missing_step is None or unwanted(life, witness):
        return None
    steps = [event for event in life.events if event.event in _SIGNS and event.phase not in {"final", "oracle"}]
    if witness.mono_ns is not None and witness.missing_step != "stored":
        steps = [event for event in steps if event.mono_ns <= witness.mono_ns] or steps
    return max(steps, key=lambda event: event.mono_ns, default=None)


def _fewer(events: Sequence[Event]) -> list[Event]:
    """A message that thousands of devices got is drawn by its beginning and its end."""
    if len(events) <= MOST_DOTS:
        return list(events)
    half = MOST_DOTS // 2
    return [*events[:half], *events[-half:]]


def _dot(event: Event, life: Life, lanes: Lanes) -> Dot:
    second = is_second(event, life)
    tone: Tone = "second" if second else "faint" if event.event in _HINTS else "seen"
    title = f"{since(life.origin_ns, event.mono_ns)}  {who(event)}: {describe(event, life)}"
    return Dot(lanes.of(event), event.mono_ns, _word(event), title, tone)


def _said(line: LogLine, life: Life) -> Dot:
    title = f"{since(life.origin_ns, line.mono_ns)}  {line.service} wrote: {line.event} {line.text}"
    return Dot(f"service:{line.service}", line.mono_ns, _WORDS.get(line.event, ""), title, "said")


def _beside(one: Neighbour, life: Life) -> Dot:
    name = one.message_id or one.client_message_id
    title = f"{since(life.origin_ns, one.arrived_ns)}  {one.device} got {name}, the message {one.side} it"
    return Dot(one.device, one.arrived_ns, "", title, "faint")


def _word(event: Event) -> str:
    if event.event in FAILING:
        return "refused" if event.outcome == "fail" else "no answer"
    if event.event in SENDING and (event.attempt or 1) > 1:
        return f"sends again ({event.attempt})"
    return _WORDS.get(event.event, event.event.replace("_", " "))


def _marked(dots: Sequence[Dot], life: Life, witness: Witness, lanes: Lanes) -> Iterator[Dot]:
    """The last sign of life gets a ring; so does, where nothing is missing, what should not have happened."""
    sign = last_sign(life, witness)
    wrong = {(lanes.of(event), event.mono_ns) for event in unwanted(life, witness)}
    for dot in dots:
        if dot.tone == "said":
            yield dot
        elif (dot.lane, dot.at_ns) in wrong:
            yield replace(dot, tone="bad")
        elif dot.tone == "faint":
            yield dot
        elif sign is not None and dot.at_ns == sign.mono_ns:
            yield replace(dot, tone="last")
        else:
            yield dot


def _missing(life: Life, witness: Witness, scene: Scene, lanes: Lanes) -> Missing | None:
    step = witness.missing_step
    if step is None or unwanted(life, witness):
        return None
    last_ns = life.events[-1].mono_ns
    due_ns = witness.mono_ns or last_ns
    if step == "stored":
        due_ns = max(scene.read_ns or last_ns, last_ns)
    lane = _lane_of_missing(step, witness, lanes)
    heard = [line.mono_ns for line in scene.said if f"service:{line.service}" == lanes.service]
    word = _ABSENT.get(step, f"missing: {step.replace('_', ' ')}")
    if step in {"recipient_online_delivered", "server_accepted"}:
        word = f"{word}: due {since(life.origin_ns, due_ns)}"
    return Missing(lane, due_ns, word, lanes.service, service_moment(life.events, heard, due_ns))


def _lane_of_missing(step: str, witness: Witness, lanes: Lanes) -> str:
    if step == "stored":
        return ARCHIVE
    if step in _AT_SENDER:
        return lanes.sender
    if witness.device and lanes.has(witness.device):
        return witness.device
    return next((lane.key for lane in lanes.all if lane.kind == "recipient"), lanes.sender)


def _band(window: FaultWindow, life: Life, scene: Scene, lanes: Lanes, missing: Missing | None) -> Band:
    begun_ns = window.from_ns or life.origin_ns
    end_ns = window.healed_ns or max(life.events[-1].mono_ns, missing.at_ns if missing else 0)
    result = scene.faults.get(window.fault)
    reached = "" if result is None else f", {result.gap or result.rung}"
    return Band(
        fault=window.fault,
        lanes=lanes.on(window.target),
        from_ns=begun_ns,
        to_ns=max(end_ns, begun_ns),
        colour=scene.colours.get(window.kind, "gray"),
        label=f"{window.fault}: {window.kind} on {window.target}{reached}",
    )
