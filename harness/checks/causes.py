"""What a check finds, gathered by cause: violations that happened alike are one finding with a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from harness.core.results import Witness
from harness.history.faults import FaultWindow, bearing_on

if TYPE_CHECKING:
    from harness.history.ingest import History

_GRACE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation as a check's SQL gave it; ``kind`` tells apart the ways in which one promise breaks."""

    kind: str
    client_message_id: str | None
    message_id: str | None
    conversation_id: str | None
    device: str | None
    mono_ns: int | None
    last_step: str | None
    missing_step: str | None
    text: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it this violation and no other."""
        return (self.kind, self.client_message_id or "", self.message_id or "", self.device or "")

    def under(self, faults: tuple[str, ...]) -> Witness:
        """Return it as a witness that lived through these faults."""
        return Witness(
            text=self.text,
            client_message_id=self.client_message_id,
            message_id=self.message_id,
            conversation_id=self.conversation_id,
            device=self.device,
            mono_ns=self.mono_ns,
            last_step=self.last_step,
            missing_step=self.missing_step,
            faults=faults,
        )


@dataclass(frozen=True, slots=True)
class Cause:
    """Violations of one check that happened alike: in one way, with the same last and missing step and faults."""

    witnesses: tuple[Witness, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.witnesses)

    @property
    def example(self) -> Witness:
        """The first of them."""
        return self.witnesses[0]


def causes_of(history: History, rows: Sequence[Finding], windows: Sequence[FaultWindow]) -> tuple[Cause, ...]:
    """Gather what ``examine`` just found by cause, in the order of their first violations."""
    lives = _lives(history) if rows else {}
    alike: dict[tuple[object, ...], list[Witness]] = {}
    for row in rows:
        met = bearing_on(windows, *_span(row, lives), vanished=row.missing_step == "stored")
        faults = tuple(window.fault for window in met)
        alike.setdefault((row.kind, row.last_step, row.missing_step, faults), []).append(row.under(faults))
    return tuple(Cause(tuple(witnesses)) for witnesses in alike.values())


def in_turn(causes: Sequence[Cause], most: int) -> tuple[Witness, ...]:
    """Pick witnesses, one of each cause first: what shows a thousand times must not hide what shows once."""
    rounds = zip_longest(*(cause.witnesses for cause in causes))
    return tuple(islice((witness for each in rounds for witness in each if witness is not None), most))


def _lives(history: History) -> dict[str, tuple[int, int]]:
    """From the first attempt of each violated message to the last thing seen of it before the final reading."""
    found = history.rows(
        "with begun as (select client_message_id, started_ns from sends"
        " union all select client_message_id, started_ns from device_mail)"
        " select s.client_message_id, s.started_ns, max(e.mono_ns) from begun as s"
        " semi join found as f on f.client_message_id = s.client_message_id"
        " join events as e on e.client_message_id = s.client_message_id"
        " where e.observer in ('client', 'wire') and e.mono_ns < (select final_ns from run_times) group by all"
    )
    return {message: (started, last) for message, started, last in found}


def _span(row: Finding, lives: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """A second is added: a fault that struck just after the last sign of a message may be why it was the last."""
    moment = row.mono_ns or 0
    started, last = lives.get(row.client_message_id or "", (moment, moment))
    return started, last + _GRACE_NS
