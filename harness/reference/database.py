"""SQLite off the event loop: one thread writes in groups, another reads.

Every commit costs an fsync, so the writer takes whatever has queued up meanwhile into one transaction and answers
after its commit. An answered write therefore survives ``kill -9``, and a burst of writes shares one fsync.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

MAX_GROUP = 256

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]


@dataclass(frozen=True, slots=True)
class Entry:
    """A queued write and the future that waits for it."""

    job: Job[Any]
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of a job that raised."""

    cause: Exception


class Database:
    """The file and its two threads; raises ``sqlite3.Error`` when the file cannot be opened or written."""

    def __init__(self, path: Path, schema: str) -> None:
        self._writer = _connect(path)
        self._writer.executescript(schema)
        self._reader = _connect(path)
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._thread = threading.Thread(target=self._write_until_closed, name="writer", daemon=True)
        self._thread.start()

    def write(self, job: Job[T]) -> asyncio.Future[T]:
        """Run ``job`` in a transaction; the future resolves once it is on disk, in the order of the calls."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._entries.put(Entry(job, answer))
        return answer

    def read(self, job: Job[T]) -> asyncio.Future[T]:
        """Run ``job`` on a connection that sees everything committed so far."""
        return asyncio.get_running_loop().run_in_executor(self._reads, job, self._reader)

    def close(self) -> None:
        """Finish all queued writes and close the file."""
        self._entries.put(None)
        self._thread.join()
        self._reads.shutdown()
        self._reader.close()
        self._writer.close()

    def _write_until_closed(self) -> None:
        while (first := self._entries.get()) is not None:
            group = [first, *self._waiting()]
            settle(group, self._commit(group))

    def _waiting(self) -> Iterator[Entry]:
        for _ in range(MAX_GROUP - 1):
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                return
            if entry is None:
                self._entries.put(None)  # the end comes after this group
                return
            yield entry

    def _commit(self, group: Sequence[Entry]) -> list[Any]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self.attempt(entry.job) for entry in group]
            self._writer.execute("COMMIT")
        except sqlite3.Error as cause:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            return [Failed(cause)] * len(group)
        return outcomes

    def attempt(self, job: Job[Any]) -> Any:
        """Run one job of the open transaction; one that raises leaves nothing and spoils no other."""
        self._writer.execute("SAVEPOINT job")
        try:
            outcome = job(self._writer)
        except Exception as cause:  # noqa: BLE001 - whatever it was, it is handed to the one who asked
            self._writer.execute("ROLLBACK TO job")
            outcome = Failed(cause)
        self._writer.execute("RELEASE job")
        return outcome


def settle(group: Sequence[Entry], outcomes: Sequence[Any]) -> None:
    """Answer a group on the event loop, in order; called on the writer's thread."""
    group[0].answer.get_loop().call_soon_threadsafe(_answer, group, outcomes)


def _answer(group: Sequence[Entry], outcomes: Sequence[Any]) -> None:
    for entry, outcome in zip(group, outcomes, strict=True):
        if entry.answer.done():
            continue  # whoever asked was cancelled
        if isinstance(outcome, Failed):
            entry.answer.set_exception(outcome.cause)
        else:
            entry.answer.set_result(outcome)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
