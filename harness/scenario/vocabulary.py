"""The names that a scenario may use, gathered from the registries that own them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from harness.core.events import EVENT_NAMES, SIGHTS
from harness.faults.api import FaultKind


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Fault kinds, checks, mutants, defects of clients and events that exist here."""

    kinds: Mapping[str, FaultKind]
    checks: Collection[str]
    mutants: Collection[str]
    defects: Collection[str] = ()
    events: Collection[str] = EVENT_NAMES
    sights: Collection[str] = SIGHTS


@cache
def installed() -> Vocabulary:
    """Return what this installation and its plugins offer."""
    # Late, because a registry loads every family and what other packages add.
    from harness.checks.catalogue import checks  # noqa: PLC0415 - see above
    from harness.drivers.defects import DEFECTS  # noqa: PLC0415 - see above
    from harness.faults.registry import kinds  # noqa: PLC0415 - see above
    from harness.reference.mutants import MUTANTS  # noqa: PLC0415 - see above

    return Vocabulary(kinds=kinds(), checks=tuple(checks()), mutants=tuple(MUTANTS), defects=tuple(DEFECTS))
