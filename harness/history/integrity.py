"""Whether the record of a run is whole: torn lines, gaps, writers that were killed or fell silent."""

from __future__ import annotations

from dataclasses import dataclass

SILENCE_NS = 3_000_000_000
"""A writer owes a heartbeat each second; nothing for this long means that it was stopped or starved."""


@dataclass(frozen=True, slots=True)
class Gap:
    """``missing`` events of ``writer`` are lost after its event number ``after`` (-1: before its first)."""

    writer: str
    after: int
    missing: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A writer gave no sign of life between two moments of the monotonic clock."""

    writer: str
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Integrity:
    """What is known about the completeness of a record.

    ``torn_lines`` are last lines cut short by a kill: normal for a process that died. ``unreadable_lines`` are
    damage anywhere else. ``killed`` writers never said ``writer_closed``.
    """

    events: int
    torn_lines: int = 0
    unreadable_lines: int = 0
    repeated: int = 0
    gaps: tuple[Gap, ...] = ()
    killed: tuple[str, ...] = ()
    silences: tuple[Silence, ...] = ()
    unknown_versions: tuple[int, ...] = ()
    runs: tuple[str, ...] = ()

    @property
    def evidence_lost(self) -> bool:
        """Whether events are known to be missing, doubled or unreadable: absence then proves nothing."""
        return bool(self.gaps or self.unreadable_lines or self.repeated)

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each way in which the record is not whole; a torn last line alone is none."""
        return tuple(
            [_gap(gap) for gap in self.gaps]
            + ([f"{_count(self.unreadable_lines, 'line')} could not be read"] if self.unreadable_lines else [])
            + ([f"{_count(self.repeated, 'event')} came twice under the same number"] if self.repeated else [])
            + [f"{writer} was killed: it never closed its file" for writer in self.killed]
            + [_silence(silence) for silence in self.silences]
            + [f"schema version {version} is newer than this program" for version in self.unknown_versions]
            + ([f"events of {len(self.runs)} runs are mixed: {', '.join(self.runs)}"] if len(self.runs) > 1 else [])
        )


def _gap(gap: Gap) -> str:
    place = f"after its event {gap.after}" if gap.after >= 0 else "before its first event"
    return f"{gap.writer} lost {_count(gap.missing, 'event')} {place}"


def _silence(silence: Silence) -> str:
    return f"{silence.writer} gave no sign of life for {(silence.to_ns - silence.from_ns) / 1e9:.1f} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
