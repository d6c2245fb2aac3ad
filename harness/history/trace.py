"""The life of one message: everything that anybody recorded of it, with the faults it lived through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import UsageError
from harness.core.events import Event
from harness.core.results import Witness
from harness.history.faults import FaultWindow, bearing_on, fault_windows
from harness.history.outcomes import Outcome, outcome
from harness.history.timeline import WIDTH, Line, draw
from harness.history.words import MISSING, describe, who

if TYPE_CHECKING:
    from harness.history.ingest import History

_GRACE_NS = 1_000_000_000
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A message of the same conversation that did arrive and stay, before or after the one that is traced."""

    side: str
    client_message_id: str
    message_id: str | None
    sender: str
    started_ns: int
    arrived_ns: int
    device: str


@dataclass(frozen=True, slots=True)
class Life:
    """One message from its first attempt to the final reading; times are of the run's monotonic clock."""

    client_message_id: str | None
    message_ids: tuple[str, ...]
    conversation_id: str | None
    sender: str | None
    recipient: str | None
    origin_ns: int
    events: tuple[Event, ...]
    faults: tuple[FaultWindow, ...]
    neighbours: tuple[Neighbour, ...]
    outcome: Outcome | None = None
    """What became of it; None where the run did not get as far as to know."""


def trace(history: History, id: str) -> Life:
    """Return the life of the message that has this id, the client's or the server's; a unique beginning will do.

    Raises ``UsageError`` when no message or more than one has it.
    """
    client_id, message_ids = _identify(history, id)
    events = tuple(
        history.events(
            "client_message_id = ? or op = ? or list_contains(?::varchar[], message_id)",
            [client_id, client_id, list(message_ids)],
        )
    )
    started = [event for event in events if event.event == "client_send_started"]
    facts = started[0] if started else events[0]
    last = max((event.mono_ns for event in events if event.observer != "oracle"), default=events[-1].mono_ns)
    vanished = not any(event.event == "oracle_read" for event in events)
    conversation = next((event.conversation_id for event in events if event.conversation_id), None)
    return Life(
        client_message_id=client_id,
        message_ids=message_ids,
        conversation_id=conversation,
        sender=facts.sender,
        recipient=facts.recipient,
        origin_ns=history.number("select origin_ns from run_times"),
        events=events,
        faults=bearing_on(fault_windows(history), events[0].mono_ns, last + _GRACE_NS, vanished=vanished),
        neighbours=_neighbours(history, conversation, client_id, facts.mono_ns),
        outcome=outcome(events) if started and _was_read(history) else None,
    )


def render(life: Life, *, missing: Witness | None = None) -> str:
    """Return a life as plain text of at most 120 columns; ``missing`` adds the step that should have come, dashed.

    Each line has the time since the start of the run, one column per fault (┌ installed, │ in place, └ healed), who
    saw it, and what.
    """
    lines = [Line(event.mono_ns, who(event), describe(event, life)) for event in life.events]
    lines += _fault_lines(life)
    body = draw(lines, life.faults, life.origin_ns, None if missing is None else _dashed(missing, lines))
    return "\n".join(text[:WIDTH].rstrip() for text in [*_heading(life), "", *body, *_around(life)])


def _was_read(history: History) -> bool:
    return history.number("select count(*) from events where event = 'oracle_completed'") > 0


def _identify(history: History, id: str) -> tuple[str | None, tuple[str, ...]]:
    known = history.rows(
        "select distinct coalesce(e.client_message_id, n.client_message_id, e.op) as client_id, e.message_id"
        " from events as e left join names as n using (message_id)"
        " where starts_with(e.client_message_id, ?) or starts_with(e.message_id, ?) or starts_with(e.op, ?)",
        [id, id, id],
    )
    exact = [pair for pair in known if id in pair]
    keys = sorted({client_id or message_id for client_id, message_id in exact or known})
    if not keys:
        raise UsageError(f"no message has the id {id!r}", hint="give a message_id or client_message_id of this run")
    if len(keys) > 1:
        shown = ", ".join(keys[:_LISTED]) + (" …" if len(keys) > _LISTED else "")
        raise UsageError(f"{len(keys)} messages have an id that begins with {id!r}: {shown}", hint="give more of it")
    return _all_ids(history, keys[0])


def _all_ids(history: History, key: str) -> tuple[str | None, tuple[str, ...]]:
    rows = history.rows(
        "select distinct message_id from events where message_id is not null and (client_message_id = ? or op = ?)"
        " order by message_id",
        [key, key],
    )
    ids = tuple(row[0] for row in rows)
    sent = history.number("select count(*) from events where client_message_id = ? or op = ?", [key, key])
    return (key, ids) if sent else (None, (key,))


def _neighbours(
    history: History, conversation: str | None, client_id: str | None, started_ns: int
) -> tuple[Neighbour, ...]:
    found = []
    for side, compare, order in (("before", "<", "desc"), ("after", ">", "asc")):
        rows = history.rows(
            "select s.client_message_id, s.message_id, s.sender, s.started_ns, r.first_ns, r.device"  # noqa: S608 - the two words above
            " from sends as s join receipts as r on r.message = s.client_message_id"
            " where s.conversation_id = ? and s.client_message_id is distinct from ? and r.person <> s.sender"
            " and (s.client_message_id in (select message from oracle) or not exists (select 1 from oracle))"
            f" and s.started_ns {compare} ? order by s.started_ns {order}, r.first_ns limit 1",
            [conversation, client_id, started_ns],
        )
        found += [Neighbour(side, *row) for row in rows]
    return tuple(found)


def _fault_lines(life: Life) -> list[Line]:
    lines = []
    for window in life.faults:
        name = f"fault {window.fault}: {window.kind} on {window.target}"
        if window.from_ns is not None:
            lines.append(Line(window.from_ns, "engine", f"{name} installed", fault=window.fault))
        if window.healed_ns is not None:
            lines.append(Line(window.healed_ns, "engine", f"{name} healed", fault=window.fault))
    return lines


def _dashed(missing: Witness, lines: Sequence[Line]) -> Line | None:
    """The step that never came; that a message is not in the archive shows at the end only."""
    step = missing.missing_step
    if step is None:
        return None
    end_ns = max(line.mono_ns for line in lines)
    text = f"MISSING: {MISSING.get(step, step)}"
    if step == "stored":
        return Line(end_ns + 1, "archive", text)
    return Line(end_ns if missing.mono_ns is None else missing.mono_ns, missing.device or "", text)


def _heading(life: Life) -> list[str]:
    ids = [f"client id {life.client_message_id}"] if life.client_message_id else []
    ids += [f"server id {one}" for one in life.message_ids]
    people = f"{life.sender or 'somebody unknown'} to {life.recipient or 'the conversation'}"
    place = f", conversation {life.conversation_id}" if life.conversation_id else ""
    ids += [f"outcome   {life.outcome}"] if life.outcome else []
    return [f"message from {people}{place}", *(f"  {one}" for one in ids or ["no id"])]


def _around(life: Life) -> list[str]:
    if not life.neighbours:
        return []
    return ["", "beside it in the conversation:", *(_neighbour(one, life.origin_ns) for one in life.neighbours)]


def _neighbour(one: Neighbour, origin_ns: int) -> str:
    sent, came = ((moment - origin_ns) / 1e9 for moment in (one.started_ns, one.arrived_ns))
    name = one.message_id or one.client_message_id
    return f"  {one.side:<6}  {name} from {one.sender}, sent {sent:.3f} s, on {one.device} at {came:.3f} s"
