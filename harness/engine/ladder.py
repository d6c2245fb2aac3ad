"""How far each fault got, judged from the history alone: commanded, installed, felt, mattered, healed, recovered.

Only scenario traffic counts as felt: what the proxy itself did to open connections, what the people's devices met on
the target, and (for a slow line) how much longer their messages took.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.events import sight
from harness.core.plan import FaultPlan
from harness.core.results import CheckResult, FaultResult
from harness.core.stack import covers
from harness.core.verdicts import Verdict
from harness.engine.slowness import slowed
from harness.faults.registry import kinds
from harness.faults.toxic import number
from harness.history.ingest import History

RECOVERED = "recovered"
RESUME_NS = 1_000_000_000
"""A credential is replaced in milliseconds; that it worked shows in what the person sends within this time after."""

TRAFFIC_SQL = "SELECT DISTINCT device, link FROM events WHERE device IS NOT NULL AND link IS NOT NULL"

LADDER_SQL = """
SELECT fault, event, mono_ns, CAST(detail AS VARCHAR) AS detail FROM events
WHERE fault IS NOT NULL AND event LIKE 'fault_%' ORDER BY mono_ns
"""

HURT_SQL = """
SELECT count(*) FROM events
WHERE list_contains($felt_by, event) AND mono_ns BETWEEN $began AND $ended AND list_contains($devices, device)
  AND (link IS NULL OR list_contains($links, link))
"""

MISDATED_SQL = """
SELECT count(*) FROM events
WHERE {stamp} IS NOT NULL AND mono_ns BETWEEN $began AND $ended AND list_contains($devices, device)
  AND abs({stamp} - wall_ns) >= abs($offset_ns) / 2
"""

PUSHED_SQL = """
SELECT count(DISTINCT message_id) FROM events
WHERE observer = 'provider' AND event IN ('push_sent', 'push_failed') AND mono_ns BETWEEN $began AND $ended
"""

EXPOSED_SQL = """
WITH flights AS (
    SELECT op, started_ns AS left_ns, coalesce(accepted_ns, given_up_ns) AS arrived_ns
    FROM sends WHERE list_contains($devices, device)
    UNION ALL
    SELECT audience.op, sends.started_ns, receipts.first_ns
    FROM audience JOIN sends USING (op)
    LEFT JOIN receipts ON receipts.message = sends.client_message_id AND receipts.device = audience.device
    WHERE list_contains($devices, audience.device)
    UNION ALL
    SELECT client_message_id, started_ns, accepted_ns FROM device_mail WHERE list_contains($devices, sent_by)
    UNION ALL
    SELECT client_message_id, started_ns, first_ns FROM device_mail WHERE list_contains($devices, device)
)
SELECT count(DISTINCT op) FROM flights WHERE left_ns <= $ended AND (arrived_ns IS NULL OR arrived_ns >= $began)
"""

SEEN_SQL = """
SELECT count(*) FROM events
WHERE event = $event AND ($way IS NULL OR via = $way)
  AND mono_ns >= $began AND (device IS NULL OR list_contains($devices, device))
"""


@dataclass(frozen=True, slots=True)
class Rungs:
    """The engine's own records of one fault."""

    commanded: Mapping[str, Any] | None = None
    installed: Mapping[str, Any] | None = None
    healed: Mapping[str, Any] | None = None
    healed_ns: int | None = None

    @property
    def began_ns(self) -> int:
        """When the command was about to be given."""
        return int((self.commanded or {}).get("began_ns", 0))


def climb(history: History, plans: Sequence[FaultPlan], checks: Collection[CheckResult]) -> tuple[FaultResult, ...]:
    """Return how far each planned fault climbed, with its gap if it stopped short."""
    rungs = _rungs(history)
    recovered = next((check.verdict for check in checks if check.id == RECOVERED), None)
    end_ns = history.number("SELECT max(mono_ns) FROM events")
    return tuple(_Climb(history, plan, rungs.get(plan.id, Rungs()), end_ns).result(recovered) for plan in plans)


class _Climb:
    def __init__(self, history: History, plan: FaultPlan, rungs: Rungs, end_ns: int) -> None:
        self._history = history
        self._plan = plan
        self._kind = kinds()[plan.kind]
        self._rungs = rungs
        grace_ns = RESUME_NS if self._kind.targets == "person" else 0
        self._window = {"began": rungs.began_ns, "ended": (rungs.healed_ns or end_ns) + grace_ns}
        found = _traffic_on(history, plan)
        self._devices = sorted({device for device, _ in found})
        self._links = sorted({link for _, link in found})

    def result(self, recovered: Verdict | None) -> FaultResult:
        exposed = 0 if self._rungs.commanded is None else self._exposed()
        rung, gap = self._climb(exposed, recovered)
        return FaultResult(
            id=self._plan.id,
            kind=self._plan.kind,
            target=self._plan.target,
            rung=rung,
            gap=gap,
            exposed=exposed,
            started_ns=self._rungs.began_ns or None,
            ended_ns=self._rungs.healed_ns,
        )

    def _climb(self, exposed: int, recovered: Verdict | None) -> tuple[str, str | None]:
        rungs = self._rungs
        stops: tuple[tuple[str, str, Callable[[], bool]], ...] = (
            ("planned", "not_commanded", lambda: rungs.commanded is None),
            ("commanded", "not_installed", lambda: rungs.installed is None),
            ("installed", "not_healed", lambda: rungs.healed is None),
            ("installed", "bypassed", lambda: bool((rungs.healed or {}).get("unproxied"))),
            ("installed", "not_felt", lambda: not self._felt()),
            ("felt", "vacuous", lambda: exposed < self._plan.min_exposed or not self._saw_what_it_must()),
            ("healed", "not_recovered", lambda: recovered is Verdict.FAIL),
        )
        for rung, gap, stopped in stops:
            if stopped():
                return rung, gap
        return ("healed" if recovered is None else "recovered"), None

    def _exposed(self) -> int:
        if self._kind.targets == "provider":
            return self._count(PUSHED_SQL, **self._window)
        return self._count(EXPOSED_SQL, **self._window, devices=self._devices)

    def _felt(self) -> bool:
        if self._kind.stamps is not None:
            return self._misdated()
        counted = any((self._rungs.healed or {}).get(name, 0) for name in self._kind.felt_counts)
        return counted or self._hurt() or self._slowed()

    def _hurt(self) -> bool:
        """Whether something broke for the people whose traffic the fault was in the way of."""
        traffic = {"devices": self._devices, "links": self._links}
        return self._count(HURT_SQL, **self._felt_window, **traffic, felt_by=list(self._kind.felt_by)) > 0

    def _slowed(self) -> bool:
        if self._kind.targets != "link":
            return False
        traffic = {"devices": self._devices, "links": self._links}
        return slowed(self._history, self._plan, self._felt_window, traffic)

    @property
    def _felt_window(self) -> dict[str, int]:
        """The window up to the undo of a fault on a link: what the undo itself breaks is no effect of the fault."""
        undoing_ns = (self._rungs.healed or {}).get("undoing_ns")
        if self._kind.targets != "link" or undoing_ns is None:
            return self._window
        return {**self._window, "ended": int(undoing_ns)}

    def _misdated(self) -> bool:
        """Whether anything in the window carries a time that is wrong by the offset: the clock was looked at."""
        offset_ns = round(number(self._plan, "offset") * 1e9)
        sql = MISDATED_SQL.format(stamp=self._kind.stamps)
        return self._count(sql, **self._window, devices=self._devices, offset_ns=offset_ns) > 0

    def _saw_what_it_must(self) -> bool:
        common = {"began": self._window["began"], "devices": self._devices}
        wanted = map(sight, self._plan.must_see)
        return all(self._count(SEEN_SQL, event=event, way=way, **common) for event, way in wanted)

    def _count(self, sql: str, **values: object) -> int:
        row = self._history.db.execute(sql, values).fetchone()
        return int(row[0]) if row else 0


def _traffic_on(history: History, plan: FaultPlan) -> list[tuple[str, str]]:
    """Devices, each with the links that pass the target; every one for a fault behind the service they talk to."""
    found = history.rows(TRAFFIC_SQL)
    match kinds()[plan.kind].targets:
        case "link" if plan.target.startswith("client"):
            return [(device, link) for device, link in found if covers(plan.target, link)]
        case "person":
            return [(device, link) for device, link in found if device.partition("/")[0] == plan.target]
        case "device":
            return [(device, link) for device, link in found if device == plan.target]
    return [(device, link) for device, link in found]


def _rungs(history: History) -> dict[str, Rungs]:
    found: dict[str, dict[str, Any]] = {}
    for fault, event, mono_ns, detail in history.rows(LADDER_SQL):
        rungs = found.setdefault(fault, {})
        rungs[event.removeprefix("fault_")] = json.loads(detail or "{}")
        if event == "fault_healed":
            rungs["healed_ns"] = mono_ns
    return {fault: Rungs(**rungs) for fault, rungs in found.items()}
