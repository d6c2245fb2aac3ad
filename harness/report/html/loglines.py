"""What the services themselves wrote around a moment: it explains, it neither acquits nor convicts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

AROUND_NS = 2_000_000_000
_MOMENT = re.compile(rb'"mono_ns"\s*:\s*(\d+)')
_LONGEST = 400
_KEPT = 20_000
_CLOCKS = frozenset({"time_ms", "mono_ns", "event"})


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one service, at its own word's moment on the host's monotonic clock."""

    service: str
    mono_ns: int
    event: str
    text: str

    def names(self, ids: Sequence[str]) -> bool:
        """Tell whether the line speaks of one of these ids."""
        return any(one in self.text for one in ids)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The lines of one service to show around a moment, and how many there were."""

    service: str
    lines: tuple[LogLine, ...]
    total: int


def read_logs(folder: Path, moments: Sequence[int], ids: Sequence[str]) -> tuple[LogLine, ...]:
    """Return the lines of all services within two seconds of some moments, and all that name one of some ids.

    A line without a time (a stack trace) has the time of the one before it.
    """
    if not moments and not ids:
        return ()
    wanted = re.compile(b"|".join(re.escape(one.encode()) for one in ids)) if ids else None
    found: list[LogLine] = []
    for file in sorted(folder.glob("*.log")):
        found += _lines_of(file, moments, wanted)
    return tuple(sorted(found, key=lambda line: line.mono_ns))


def excerpts(lines: Sequence[LogLine], moment_ns: int, ids: Sequence[str], at_most: int) -> tuple[Excerpt, ...]:
    """Return for each service what it wrote around a moment: lines that name the ids first, then the nearest ones."""
    near = [line for line in lines if abs(line.mono_ns - moment_ns) <= AROUND_NS]
    return tuple(
        _excerpt(service, [line for line in near if line.service == service], moment_ns, ids, at_most)
        for service in dict.fromkeys(line.service for line in near)
    )


def _excerpt(service: str, lines: list[LogLine], moment_ns: int, ids: Sequence[str], at_most: int) -> Excerpt:
    ranked = sorted(lines, key=lambda line: (not line.names(ids), abs(line.mono_ns - moment_ns)))
    kept = sorted(ranked[:at_most], key=lambda line: line.mono_ns)
    return Excerpt(service, tuple(kept), len(lines))


def _lines_of(file: Path, moments: Sequence[int], wanted: re.Pattern[bytes] | None) -> Iterator[LogLine]:
    moment, kept = None, 0
    with file.open("rb") as stream:
        for raw in stream:
            if found := _MOMENT.search(raw):
                moment = int(found[1])
            if moment is None or kept == _KEPT:
                continue
            near = any(abs(moment - one) <= AROUND_NS for one in moments)
            if near or (wanted and wanted.search(raw)):
                kept += 1
                yield _parsed(file.stem, moment, raw)


def _parsed(service: str, mono_ns: int, raw: bytes) -> LogLine:
    try:
        fields = msgspec.json.decode(raw, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return LogLine(service, mono_ns, "", raw.decode("utf-8", "replace").strip()[:_LONGEST])
    said = "  ".join(f"{key}={value}" for key, value in fields.items() if key not in _CLOCKS)
    return LogLine(service, mono_ns, str(fields.get("event", "")), said[:_LONGEST])
