"""What services and providers, which outlive a test, logged and recorded during that test."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

ALWAYS = ("recorder_heartbeat",)
"""Events of nobody in particular that show that a writer lived."""


def log_sizes(source: Path) -> dict[str, int]:
    """Return how much each log of a folder holds now."""
    return {file.name: file.stat().st_size for file in source.glob("*.log")}


def take_over_logs(source: Path, target: Path, before: Mapping[str, int]) -> None:
    """Copy what was logged since the logs had the sizes ``before``."""
    for file in sorted(source.glob("*.log")):
        with file.open("rb") as log:
            log.seek(before.get(file.name, 0))
            if log.peek(1):
                with (target / file.name).open("ab") as copy:
                    shutil.copyfileobj(log, copy)


def take_over(source: Path, target: Path, *, run: str, people: Collection[str], from_ns: int, to_ns: int) -> None:
    """Copy the part of a record that concerns a test into its own run, closed and numbered as a record of its own.

    ``source`` and ``target`` are folders of events, times are of the monotonic clock.
    """
    for file in sorted(source.glob("*.jsonl")):
        events = [event for line in file.read_bytes().splitlines() if (event := _event(line)) is not None]
        within = [event for event in events if from_ns <= event["mono_ns"] <= to_ns and _concerns(event, people)]
        if not within:
            continue
        within.append({key: within[-1][key] for key in _OF_A_WRITER} | {"event": "writer_closed", "mono_ns": to_ns})
        lines = [msgspec.json.encode(event | {"run": run, "seq": number}) for number, event in enumerate(within)]
        (target / file.name).write_bytes(b"".join(line + b"\n" for line in lines))


_OF_A_WRITER = ("v", "writer", "wall_ns", "observer")


def _concerns(event: dict[str, Any], people: Collection[str]) -> bool:
    device = event.get("device")
    return event["event"] in ALWAYS if device is None else device.partition("/")[0] in people


def _event(line: bytes) -> dict[str, Any] | None:
    """A line that is being written while we read is not there yet."""
    try:
        found: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return found
