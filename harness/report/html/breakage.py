"""Broken promises, gathered by cause: what broke alike is one finding with a count and one example."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checks.catalogue import checks
from harness.checks.causes import Cause, Finding, causes_of
from harness.checks.runner import examine, prepare
from harness.core.plan import ClientBehaviour
from harness.core.results import CheckResult, RunResult, Witness
from harness.core.stack import promises_from_data
from harness.history.faults import FaultWindow, fault_windows

if TYPE_CHECKING:
    from harness.history.ingest import History


@dataclass(frozen=True, slots=True)
class Struck:
    """One message that a broken promise is about; ``name`` is its client's id where anybody knows that."""

    check: str
    name: str
    mono_ns: int | None
    text: str
    missing_step: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken promise."""

    check: CheckResult
    causes: tuple[Cause, ...]
    struck: tuple[Struck, ...]


def broken_promises(
    history: History, result: RunResult, recover_within_s: float, client: ClientBehaviour
) -> tuple[Broken, ...]:
    """Return the broken promises of a run, those that its scenario requires first, with every message they strike.

    A check of which nothing more can be found out (it is of another version) is shown by its witnesses alone.
    """
    violated = sorted((check for check in result.checks if check.violations), key=lambda check: not check.required)
    if not violated:
        return ()
    prepare(history, promises_from_data(result.promises), recover_within_s, client)
    windows = fault_windows(history)
    return tuple(_broken(history, check, windows) for check in violated)


def _broken(history: History, check: CheckResult, windows: Sequence[FaultWindow]) -> Broken:
    rows = examine(history, checks()[check.id]).rows if check.id in checks() else ()
    if not rows:
        alone = tuple(Cause((one,)) for one in check.witnesses)
        return Broken(check, alone, _struck(history, check.id, check.witnesses))
    return Broken(check, _telling(causes_of(history, rows, windows)), _struck(history, check.id, rows))


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


def _telling(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """What a fault passed over tells most; of those, what happened most often."""
    return tuple(sorted(causes, key=lambda cause: (not cause.example.faults, -cause.count)))
