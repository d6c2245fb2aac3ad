"""Broken promises, gathered by cause: what broke alike is one finding with a count and one example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checks.catalogue import checks
from harness.checks.runner import Finding, examine, prepare
from harness.core.results import CheckResult, RunResult, Witness
from harness.core.stack import promises_from_data
from harness.history.faults import FaultWindow, bearing_on, fault_windows

if TYPE_CHECKING:
    from harness.history.ingest import History

_GRACE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Struck:
    """One message that a broken promise is about; ``name`` is its client's id where anybody knows that."""

    check: str
    name: str
    mono_ns: int | None
    text: str
    missing_step: str | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Violations of one check that happened alike: same last and missing step, under the same faults."""

    count: int
    example: Witness


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken promise."""

    check: CheckResult
    causes: tuple[Cause, ...]
    struck: tuple[Struck, ...]


def broken_promises(history: History, result: RunResult, recover_within_s: float) -> tuple[Broken, ...]:
    """Return the broken promises of a run, those that its scenario requires first, with every message they strike.

    A check of which nothing more can be found out (it is of another version) is shown by its witnesses alone.
    """
    violated = sorted((check for check in result.checks if check.violations), key=lambda check: not check.required)
    if not violated:
        return ()
    prepare(history, promises_from_data(result.promises), recover_within_s)
    windows = fault_windows(history)
    return tuple(_broken(history, check, windows) for check in violated)


def _broken(history: History, check: CheckResult, windows: Sequence[FaultWindow]) -> Broken:
    rows = examine(history, checks()[check.id]).rows if check.id in checks() else ()
    if not rows:
        return Broken(
            check, tuple(Cause(1, one) for one in check.witnesses), _struck(history, check.id, check.witnesses)
        )
    return Broken(check, _causes(history, rows, windows), _struck(history, check.id, rows))


def _struck(history: History, check: str, found: Sequence[Finding | Witness]) -> tuple[Struck, ...]:
    unnamed = [one.message_id for one in found if one.message_id and not one.client_message_id]
    names = dict(
        history.rows("select message_id, client_message_id from names where list_contains(?, message_id)", [unnamed])
    )
    return tuple(
        Struck(
            check=check,
            name=one.client_message_id or names.get(one.message_id) or one.message_id or one.text,
            mono_ns=one.mono_ns,
            text=one.text,
            missing_step=one.missing_step,
        )
        for one in found
    )


def _causes(history: History, rows: Sequence[Finding], windows: Sequence[FaultWindow]) -> tuple[Cause, ...]:
    lives = _lives(history)
    grouped: dict[tuple[object, ...], list[Witness]] = {}
    for row in rows:
        faults = _faults(row, lives, windows)
        key = (row.kind, row.last_step, row.missing_step, faults)
        grouped.setdefault(key, []).append(_witness(row, faults))
    found = [Cause(len(alike), alike[0]) for alike in grouped.values()]
    # What a fault passed over tells most; of those, what happened most often.
    return tuple(sorted(found, key=lambda cause: (not cause.example.faults, -cause.count)))


def _lives(history: History) -> dict[str, tuple[int, int]]:
    """From the first attempt of each violated message to the last that a client saw of it before the final phase."""
    rows = history.rows(
        "select s.client_message_id, s.started_ns, max(e.mono_ns) from sends as s"
        " semi join found as f on f.client_message_id = s.client_message_id"
        " join events as e on e.client_message_id = s.client_message_id"
        " where e.observer in ('client', 'wire') and e.mono_ns < (select final_ns from run_times) group by all"
    )
    return {message: (started, last) for message, started, last in rows}


def _faults(row: Finding, lives: dict[str, tuple[int, int]], windows: Sequence[FaultWindow]) -> tuple[str, ...]:
    moment = row.mono_ns or 0
    started, last = lives.get(row.client_message_id or "", (moment, moment))
    met = bearing_on(windows, started, last + _GRACE_NS, vanished=row.missing_step == "stored")
    return tuple(window.fault for window in met)


def _witness(row: Finding, faults: tuple[str, ...]) -> Witness:
    return Witness(
        text=row.text,
        client_message_id=row.client_message_id,
        message_id=row.message_id,
        conversation_id=row.conversation_id,
        device=row.device,
        mono_ns=row.mono_ns,
        last_step=row.last_step,
        missing_step=row.missing_step,
        faults=faults,
    )
