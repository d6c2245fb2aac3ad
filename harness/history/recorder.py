"""Writes the history: one file per process start, one ``write()`` per event, so that SIGKILL loses nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from harness.core.clock import Clock, SystemClock
from harness.core.errors import EnvironmentFault
from harness.core.events import EVENT_NAMES, SCHEMA_VERSION, Event, Observer, Phase, Scalar
from harness.core.ids import writer_id

DETAIL_LIMIT = 1024
"""Bytes of JSON that ``detail`` may take."""
STALL_NS = 5_000_000
"""A write that takes longer than this has held up whoever recorded."""
SAMPLE_EVERY = 500
"""Each such write is timed; timing all of them would cost more than it tells."""

HOST_CLOCK = SystemClock()

_SHORT = 60
_encode = msgspec.json.Encoder().encode


class Recorder:
    """Appends events to ``folder/<writer>.jsonl`` and tells its subscribers of each; one thread only.

    ``folder`` is the run's ``events`` folder and is made when missing. Raises ``EnvironmentFault`` when the file
    cannot be made or written: evidence that cannot be kept must end a run, not thin it out.
    """

    def __init__(self, folder: Path, *, run: str, role: str, observer: Observer, clock: Clock = HOST_CLOCK) -> None:
        self.writer = writer_id(role, os.getpid(), clock.mono_ns())
        self.path = folder / f"{self.writer}.jsonl"
        self.phase: Phase | None = None
        self._run = run
        self._observer: Observer = observer
        self._clock = clock
        self._seq = 0
        self._subscribers: list[Callable[[Event], None]] = []
        self._fd = _create(self.path)

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Call ``callback`` with every event after it is on file; it must be quick and must not raise."""
        self._subscribers.append(callback)

    def record(self, event: str, /, **fields: Any) -> Event:
        """Write one event and return it; ``fields`` are those of ``Event``, None standing for absent.

        Raises ``ValueError`` for a name that is no event, ``TypeError`` for an unknown field or a ``detail`` that is
        not flat.
        """
        if event not in EVENT_NAMES:
            raise ValueError(f"{event!r} is no event of the history; see harness.core.events.EVENT_NAMES")
        if fields.get("detail") is not None:
            fields["detail"] = fitting(fields["detail"])
        if "phase" not in fields:
            fields["phase"] = self.phase
        observer = fields.pop("observer", self._observer)
        fact = Event(  # the stamp by position: names cost as much again, in what happens for every event
            SCHEMA_VERSION,
            self._run,
            self.writer,
            self._seq,
            self._clock.mono_ns(),
            self._clock.wall_ns(),
            event,
            observer,
            **fields,
        )
        self._append(_encode(fact) + b"\n")
        for callback in self._subscribers:
            callback(fact)
        return fact

    def beat(self) -> None:
        """Write the sign of life that tells a silent writer from a dead one; owed once a second."""
        self.record("recorder_heartbeat")

    def close(self) -> None:
        """Write ``writer_closed``, which says that nothing is missing after it, and close the file."""
        if self._fd < 0:
            return
        self.record("writer_closed")
        os.close(self._fd)
        self._fd = -1

    def _append(self, line: bytes) -> None:
        timed = self._seq % SAMPLE_EVERY == SAMPLE_EVERY - 1
        before = time.perf_counter_ns() if timed else 0
        try:
            written = os.write(self._fd, line)
        except OSError as problem:
            raise EnvironmentFault(f"cannot write {self.path}: {problem.strerror}", hint=_ROOM) from problem
        if written != len(line):
            raise EnvironmentFault(f"cannot write {self.path}: the disk took only part of an event", hint=_ROOM)
        self._seq += 1
        if timed:
            self._judge(time.perf_counter_ns() - before)

    def _judge(self, took_ns: int) -> None:
        if took_ns > STALL_NS:
            self.record("recorder_stall", detail={"took_ms": round(took_ns / 1e6, 3)})


_ROOM = "free space there, or choose another place with --out"


def _create(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    except OSError as problem:
        raise EnvironmentFault(f"cannot make {path}: {problem.strerror}", hint=_ROOM) from problem


def fitting(detail: dict[str, Scalar]) -> dict[str, Scalar]:
    """Return ``detail`` within its limit: long texts are shortened first, then the last keys are left out.

    Raises ``TypeError`` for a value that is no scalar.
    """
    for key, value in detail.items():
        if not isinstance(value, str | int | float | bool):
            raise TypeError(f"detail.{key} must be a text, number or boolean, not {type(value).__name__}")
    if len(_encode(detail)) <= DETAIL_LIMIT:
        return detail
    short = {key: _shortened(value) for key, value in detail.items()}
    while len(_encode(short)) > DETAIL_LIMIT:
        short.popitem()
    return short


def _shortened(value: Scalar) -> Scalar:
    return f"{value[:_SHORT]}…" if isinstance(value, str) and len(value) > _SHORT else value
