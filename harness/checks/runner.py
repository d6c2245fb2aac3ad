"""Runs checks over a history and turns what they find into results."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.checks.catalogue import Check, checks
from harness.checks.causes import Finding, causes_of, in_turn
from harness.core.axes import PRECEDENCES
from harness.core.errors import UsageError
from harness.core.plan import ClientBehaviour
from harness.core.results import CheckResult
from harness.core.stack import Promises
from harness.core.verdicts import Verdict
from harness.history.faults import FaultWindow, fault_windows

if TYPE_CHECKING:
    from harness.history.ingest import History

MAX_WITNESSES = 5
"""Witnesses kept per check: one of each cause first, then more of the same."""

RECOVER_WITHIN_S = 10.0
_FETCHED = 20_000


def run_checks(
    history: History,
    promises: Promises,
    required: Collection[str],
    *,
    recover_within_s: float = RECOVER_WITHIN_S,
    client: ClientBehaviour = "outbox",
    catalogue: Mapping[str, Check] | None = None,
) -> list[CheckResult]:
    """Judge a history by every check of it; a required check that judged too little is inconclusive, others are n/a.

    ``recover_within_s`` is the time in seconds that senders have after the last heal. The retries of a ``naive``
    client are judged, those of the outbox are ours. A check that cannot be run is an error with a note, not an
    exception. Raises ``UsageError`` when a required check does not exist.
    """
    known = checks() if catalogue is None else catalogue
    for name in required:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known checks: {', '.join(known)}"
            raise UsageError(f"there is no check named {name!r}", hint=hint)
    prepare(history, promises, recover_within_s, client)
    windows = fault_windows(history)
    judged = [check for check in known.values() if check.reads == "history"]
    return [_result(history, check, promises, windows, required=check.id in required) for check in judged]


def prepare(
    history: History,
    promises: Promises,
    recover_within_s: float = RECOVER_WITHIN_S,
    client: ClientBehaviour = "outbox",
) -> None:
    """Fill the tables ``settings`` (one row: what was promised) and ``precedences`` that the SQL of checks reads."""
    history.db.execute("delete from settings")
    history.db.execute(
        "insert into settings values (?, ?, ?, ?, ?, ?)",
        [
            promises.order,
            _ns(promises.deliver_within_s),
            _ns(recover_within_s),
            _ns(promises.idempotency_window_s),
            _ns(promises.retention_s),
            client,
        ],
    )
    history.db.execute(
        "create or replace table precedences"
        " (kind varchar, later varchar, earlier varchar[], scope varchar, if_recorded boolean, text varchar)"
    )
    rules = [rule for rule in PRECEDENCES if rule.check == "transitions"]
    history.db.executemany(
        "insert into precedences values (?, ?, ?, ?, ?, ?)",
        [[one.id, one.later, list(one.earlier), one.scope, one.if_recorded, one.text] for one in rules],
    )


@dataclass(frozen=True, slots=True)
class Findings:
    """What one check saw: ``violations`` counts all, ``rows`` holds the first of them."""

    exercised: int
    undecided: int
    violations: int
    rows: tuple[Finding, ...]


def examine(history: History, check: Check) -> Findings:
    """Run one check over a history that ``prepare`` made ready; raises ``duckdb.Error`` for SQL that is wrong.

    A check that reads something else than the history sees nothing here.
    """
    if check.reads != "history" or (check.applies and not history.number(check.applies)):
        return Findings(exercised=0, undecided=0, violations=0, rows=())
    if check.given:
        history.db.execute(check.given)
    rows = _violations(history, check)
    return Findings(
        exercised=history.number(check.exercised),
        undecided=history.number(check.undecided) if check.undecided else 0,
        violations=len(rows) if len(rows) < _FETCHED else history.number(f"select count(*) from ({check.violations})"),  # noqa: S608 - a check is SQL
        rows=tuple(rows),
    )


def _violations(history: History, check: Check) -> list[Finding]:
    """Fetch the first violations, and leave the messages that they are about in the table ``found``."""
    cursor = history.db.execute(
        f"select * from ({check.violations})"  # noqa: S608 - a check is SQL
        " order by mono_ns nulls last, client_message_id, message_id, device limit ?",
        [_FETCHED],
    )
    names = [column[0] for column in cursor.description or ()]
    rows = [_finding(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    if rows:
        ids = [row.client_message_id for row in rows]
        history.db.execute(
            "create or replace temp table found as select unnest(?::varchar[]) as client_message_id", [ids]
        )
    return rows


def _finding(row: dict[str, Any]) -> Finding:
    names = ("client_message_id", "message_id", "conversation_id", "device", "mono_ns", "last_step", "missing_step")
    return Finding(kind=row.get("kind") or "", text=row["text"], **{name: row[name] for name in names})


def _result(
    history: History, check: Check, promises: Promises, windows: Sequence[FaultWindow], *, required: bool
) -> CheckResult:
    import duckdb  # noqa: PLC0415 - whoever has a history has it loaded; listing checks must not

    if not check.promise.made_by(promises):
        note = f"the stack does not promise {check.promise}"
        return CheckResult(
            id=check.id, verdict=None, required=required, exercised=0, violations=0, not_judged=True, note=note
        )
    try:
        found = examine(history, check)
    except (duckdb.Error, KeyError, TypeError, ValueError) as problem:
        note = f"{check.id} could not be run: {str(problem).partition(chr(10))[0]}"
        return CheckResult(id=check.id, verdict=Verdict.ERROR, required=required, exercised=0, violations=0, note=note)
    verdict, note = _verdict(history, check, found, required=required)
    return CheckResult(
        id=check.id,
        verdict=verdict,
        required=required,
        exercised=found.exercised,
        violations=found.violations,
        witnesses=in_turn(causes_of(history, found.rows, windows), MAX_WITNESSES),
        undecided=found.undecided,
        note=note,
    )


def _verdict(history: History, check: Check, found: Findings, *, required: bool) -> tuple[Verdict | None, str]:
    if found.violations:
        return Verdict.FAIL, ""
    if required and found.exercised < check.minimum:
        return Verdict.INCONCLUSIVE, _too_little(history, check, found)
    if required and found.undecided:
        return Verdict.INCONCLUSIVE, f"{found.undecided} of what it looks at could not be decided"
    if not found.exercised:
        return None, _too_little(history, check, found)
    return Verdict.PASS, ""


def _too_little(history: History, check: Check, found: Findings) -> str:
    seen = {name for (name,) in history.rows("select distinct event from events")}
    if absent := [name for name in check.needs if name not in seen]:
        return f"the history has no {', no '.join(absent)}"
    return f"it had {found.exercised} of at least {check.minimum} to judge, {found.undecided} could not be decided"


def _ns(seconds: float | None) -> int | None:
    """No value and "forever" alike mean no bound."""
    return None if seconds is None or math.isinf(seconds) else round(seconds * 1e9)
