"""Microseconds that one recorded event costs, beside what could be done instead.

Variants are interleaved in each round and the median of the rounds is printed, because a shared machine drifts.
Run: python benchmarks/bench_recorder.py [ROUNDS] [EVENTS]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from harness.history.recorder import Recorder

FIELDS: dict[str, Any] = {
    "device": "bob/phone",
    "via": "live",
    "connection": "bob/phone#12",
    "message_id": "m-5a632c6f0d4a485b",
    "client_message_id": "alice-0-00001-82f3e9",
    "conversation_id": "d:alice:bob",
    "conversation_seq": 417,
    "server_time_ns": 1795389967674000000,
    "sender": "alice",
    "body_digest": "8aaf2d5580ee6a24",
}
Write = Callable[[], object]


@contextmanager
def recorder(folder: Path) -> Iterator[Write]:
    """The recorder as it is: one write() an event."""
    with closing(Recorder(folder, run="bench", role="bench", observer="client")) as writing:
        yield lambda: writing.record("recipient_online_delivered", **FIELDS)


@contextmanager
def json_dumps(folder: Path) -> Iterator[Write]:
    """The same line by the standard library's json, also one write() each."""
    file = os.open(folder / "json.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    common = {
        "v": 1,
        "run": "bench",
        "writer": "bench-1-1",
        "event": "recipient_online_delivered",
        "observer": "client",
    }

    def write() -> object:
        fact = common | {"seq": 1, "mono_ns": time.monotonic_ns(), "wall_ns": time.time_ns()} | FIELDS
        return os.write(file, (json.dumps(fact) + "\n").encode())

    yield write
    os.close(file)


@contextmanager
def bare_write(folder: Path) -> Iterator[Write]:
    """Only the write() of a line that is ready: what the operating system takes."""
    file = os.open(folder / "bare.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    line = b"x" * 480 + b"\n"
    yield lambda: os.write(file, line)
    os.close(file)


VARIANTS = {"recorder": recorder, "json.dumps": json_dumps, "bare write": bare_write}


def measure(write: Write, events: int) -> float:
    """Microseconds an event over one round."""
    before = time.perf_counter_ns()
    for _ in range(events):
        write()
    return (time.perf_counter_ns() - before) / events / 1000


def main(rounds: int = 9, events: int = 10_000) -> None:
    """Print the table."""
    taken: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with ExitStack() as open_files:
        folder = Path(open_files.enter_context(tempfile.TemporaryDirectory()))
        writes = {name: open_files.enter_context(variant(folder)) for name, variant in VARIANTS.items()}
        for _ in range(rounds):
            for name, write in writes.items():
                taken[name].append(measure(write, events))
    print(f"{rounds} rounds of {events} events, variants interleaved")
    for name, times in taken.items():
        print(f"{name:12} {statistics.median(times):6.2f} µs an event (best {min(times):.2f}, worst {max(times):.2f})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
