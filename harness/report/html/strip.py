"""All messages of a run as places on a plane: when they were accepted, and how long until everybody had them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.results import FaultResult
from harness.report.html.breakage import Struck

if TYPE_CHECKING:
    from harness.history.ingest import History

COLUMNS = 960
PER_DECADE = 40
FLOOR_NS = 100_000
"""Whatever took less is drawn as this: a tenth of a millisecond."""

MOST_CELLS = 3000
_FOREVER_S = 1e6
_LOST = frozenset({"stored"})


@dataclass(frozen=True, slots=True)
class Cell:
    """So many unremarkable messages in one small field of the plane; ``row`` is None for what never reached all."""

    column: int
    row: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One message that a broken promise is about; ``took_ns`` is None when it never reached all of its devices.

    ``lost``: it is gone, whoever had got it before.
    """

    name: str
    accepted_ns: int
    took_ns: int | None
    text: str
    check: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """The plane from ``from_ns`` to ``to_ns``; ``grain`` is how many columns and rows were put together to one."""

    origin_ns: int
    from_ns: int
    to_ns: int
    slowest_ns: int
    promised_ns: int | None
    cells: tuple[Cell, ...]
    grain: int
    hits: tuple[Hit, ...]
    phases: tuple[tuple[str, int], ...]
    faults: tuple[FaultResult, ...]
    accepted: int
    unanswered: int


def strip_of(
    history: History, faults: Sequence[FaultResult], struck: Sequence[Struck], promised_s: float | None
) -> Strip:
    """Gather the plane; messages that a broken promise is about are never put together with others."""
    phases = tuple(history.rows("select phase, started_ns from phases order by started_ns"))
    origin_ns, end_ns = history.rows("select origin_ns, end_ns from run_times")[0]
    from_ns = dict(phases).get("baseline", origin_ns)
    _mark(history, struck)
    to_ns = _end(history, from_ns, end_ns)
    step_ns = max(1, (to_ns - from_ns) // COLUMNS)
    cells, grain = coarsened(_cells(history, from_ns, step_ns), MOST_CELLS)
    sent, accepted, slowest = history.rows(_TALLY)[0]
    return Strip(
        origin_ns=origin_ns,
        from_ns=from_ns,
        to_ns=to_ns,
        slowest_ns=slowest or FLOOR_NS,
        promised_ns=None if promised_s is None or promised_s > _FOREVER_S else round(promised_s * 1e9),
        cells=cells,
        grain=grain,
        hits=_hits(history, struck),
        phases=phases,
        faults=tuple(faults),
        accepted=accepted,
        unanswered=sent - accepted,
    )


def coarsened(cells: Sequence[Cell], at_most: int) -> tuple[tuple[Cell, ...], int]:
    """Put neighbouring cells together until there are few enough; return them and how many became one each way."""
    grain, found = 1, tuple(cells)
    while len(found) > at_most:
        grain *= 2
        sums: dict[tuple[int, int | None], int] = {}
        for cell in cells:
            key = (cell.column // grain, None if cell.row is None else cell.row // grain)
            sums[key] = sums.get(key, 0) + cell.count
        found = tuple(Cell(column, row, count) for (column, row), count in sums.items())
    return found, grain


def _end(history: History, from_ns: int, end_ns: int) -> int:
    """A little after the last message and the last fault: the reading at the end has no dots."""
    row = history.rows("select max(moment_ns), (select max(healed_ns) from fault_windows) from arrivals")[0]
    last_ns = max((moment for moment in row if moment is not None), default=end_ns)
    return min(end_ns, last_ns + max(1, (last_ns - from_ns) // 25))


def _mark(history: History, struck: Sequence[Struck]) -> None:
    ids = sorted({one.name for one in struck})
    history.db.execute("create or replace temp table struck as select unnest(?::varchar[]) as client_message_id", [ids])
    history.db.execute(_ARRIVALS)


def _cells(history: History, from_ns: int, step_ns: int) -> list[Cell]:
    rows = history.rows(_CELLS, [from_ns, step_ns, FLOOR_NS, FLOOR_NS, PER_DECADE])
    return [Cell(*row) for row in rows]


def _hits(history: History, struck: Sequence[Struck]) -> tuple[Hit, ...]:
    """One for each message; one of which no send is known lies where it was seen."""
    known: Mapping[str, tuple[int, int | None]] = {
        message: (moment, took) for message, moment, took in history.rows(_STRUCK)
    }
    lost = {one.name for one in struck if one.missing_step in _LOST}
    hits: dict[str, Hit] = {}
    for one in struck:
        moment, took = known.get(one.name, (one.mono_ns, None))
        if moment is not None:
            hits.setdefault(one.name, Hit(one.name, moment, took, one.text, one.check, one.name in lost))
    return tuple(hits.values())


_ARRIVALS = """
create or replace temp table arrivals as
with reached as (
    select a.op, count(*) as devices, count(r.first_ns) as got, max(r.first_ns) as last_ns
    from audience as a left join receipts as r on r.message = a.client_message_id and r.device = a.device
    group by a.op
)
select
    s.client_message_id,
    s.accepted_ns,
    coalesce(s.accepted_ns, s.last_started_ns) as moment_ns,
    case when s.accepted_ns is not null and coalesce(devices = got, true)
         then greatest(coalesce(last_ns, s.accepted_ns) - s.accepted_ns, 0) end as took_ns
from sends as s left join reached using (op)
"""

_CELLS = """
select
    cast(greatest(moment_ns - ?, 0) // ? as integer) as place,
    case when took_ns is not null then cast(floor(log10(greatest(took_ns, ?) / ?) * ?) as integer) end as height,
    count(*)
from arrivals anti join struck using (client_message_id)
where accepted_ns is not null
group by all order by all
"""

_STRUCK = "select client_message_id, moment_ns, took_ns from arrivals semi join struck using (client_message_id)"
_TALLY = "select count(*), count(accepted_ns), max(took_ns) from arrivals"
