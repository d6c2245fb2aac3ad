"""Storage off the event loop: threads with a connection each, which are made anew when they are lost.

An answered write is on disk: it survives ``kill -9``. When a connection is lost, everybody who waits for it is told at
once; the next job makes a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from harness.reference.storage import Conflict, Connection, Engine, Failed, Job, StorageFailed

ATTEMPTS = 5
"""How often a job is run that other instances get in the way of."""

CLOSE_WITHIN_S = 0.7

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A queued job and the future that waits for it."""

    job: Job[Any]
    answer: asyncio.Future[Any]


class Lane:
    """A thread with one connection, which takes its jobs in their order."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._open: Connection | None = None
        self._began_s = 0.0
        self._busy = False
        self._thread = threading.Thread(target=self.work_until_closed, name=type(self).__name__, daemon=True)

    def start(self) -> None:
        """Begin to work; raises ``StorageFailed`` when a database of this process alone cannot be opened."""
        if not self.engine.shared:
            self.connection()
        self._thread.start()

    def put(self, job: Job[T]) -> asyncio.Future[T]:
        """Queue a job; the future resolves in the order of the calls."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.entries.put(Entry(job, answer))
        if self.engine.stuck_s is not None:
            self._watch(answer, self.engine.stuck_s)
        return answer

    def _watch(self, answer: asyncio.Future[Any], stuck_s: float) -> None:
        if answer.done():
            return
        left_s = stuck_s - (time.monotonic() - self._began_s) if self._began_s else stuck_s
        if left_s <= 0:
            answer.set_exception(StorageFailed("the database does not answer"))
            return
        timer = answer.get_loop().call_later(left_s, self._watch, answer, stuck_s)
        answer.add_done_callback(lambda _: timer.cancel())

    def close(self) -> None:
        """Take nothing more on."""
        self.entries.put(None)

    def join(self, within_s: float | None) -> None:
        """Finish what is queued and let go of the connection; within seconds, or never if None, it is abandoned."""
        self._thread.join(within_s)
        if not self._thread.is_alive():
            self.let_go()

    def work_until_closed(self) -> None:
        """Run groups of jobs and answer them."""
        while (first := self.entries.get()) is not None:
            if self._busy:  # whoever comes a moment later need not pay for a commit of their own
                time.sleep(self.engine.gather_s)
            self._began_s = time.monotonic()
            group = [first, *self._waiting(self.engine.group - 1)]
            self._busy = len(group) > 1 and self.engine.gather_s > 0
            outcomes = self.outcomes([entry.job for entry in group])
            if self._open is None:  # whoever has queued up meanwhile need not find out one after the other
                late = list(self._waiting(self.entries.qsize()))
                group, outcomes = [*group, *late], [*outcomes, *[outcomes[-1]] * len(late)]
            self._began_s = 0.0
            settle(group, outcomes)

    def _waiting(self, limit: int) -> Iterator[Entry]:
        for _ in range(limit):
            try:
                entry = self.entries.get_nowait()
            except queue.Empty:
                return
            if entry is None:
                self.entries.put(None)  # the end comes after this group
                return
            yield entry

    def outcomes(self, jobs: Sequence[Job[Any]]) -> list[Any]:
        """Run jobs and return what each has come to."""
        try:
            return self.run(self.connection(), jobs)
        except StorageFailed as cause:
            return [Failed(cause)] * len(jobs)
        finally:
            if self._open is not None and not self._open.usable:
                self.let_go()

    def run(self, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        """Run jobs one by one, each seeing everything that is committed."""
        return [attempt(job, connection) for job in jobs]

    def connection(self) -> Connection:
        """Return the connection, made anew when it was lost; raises ``StorageFailed``."""
        if self._open is None:
            self._open = self.engine.connect()
        return self._open

    def let_go(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None


class Writer(Lane):
    """Runs each group of jobs in a transaction and answers after its commit."""

    def run(self, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        """Run jobs in a transaction; one on its own is run again when another instance came in between."""
        if len(jobs) > 1:
            return self._commit(connection, lambda: [self.apart(connection, job) for job in jobs])
        outcome: Any = None
        for _ in range(ATTEMPTS):
            try:
                return self._commit(connection, lambda: [jobs[0](connection)])
            except Conflict as cause:
                outcome = Failed(cause)
            except Exception as cause:  # noqa: BLE001 - whatever it was, it is handed to the one who asked
                return [Failed(cause)]
        return [outcome]

    def _commit(self, connection: Connection, work: Callable[[], list[Any]]) -> list[Any]:
        connection.later(self.engine.begin)
        try:
            outcomes = work()
            connection.run("COMMIT")
        except Exception:
            if connection.usable:
                connection.rollback()
            raise
        return outcomes

    def apart(self, connection: Connection, job: Job[Any]) -> Any:
        """Run one of several jobs of the open transaction; one that raises leaves nothing and spoils no other."""
        connection.later("SAVEPOINT job")
        outcome = attempt(job, connection)
        if isinstance(outcome, Failed) and not outcome.keep:
            connection.later("ROLLBACK TO job")
        connection.run("RELEASE job")
        return outcome


class Database:
    """The lanes to one database; raises ``StorageFailed`` when one of this process alone cannot be opened."""

    def __init__(self, engine: Engine) -> None:
        self.shared = engine.shared
        self.writers = self.make_writers(engine)
        self._readers = [Lane(engine) for _ in range(engine.readers)]
        self._turn = count()
        for lane in (*self.writers, *self._readers):
            lane.start()

    def make_writers(self, engine: Engine) -> Sequence[Lane]:
        """Return the lanes that write."""
        return [Writer(engine) for _ in range(engine.writers)]

    def write(self, job: Job[T], key: str = "") -> asyncio.Future[T]:
        """Run ``job`` in a transaction, a key's jobs in the order of the calls; answered once it is on disk."""
        return self.writers[zlib.crc32(key.encode()) % len(self.writers)].put(job)

    def read(self, job: Job[T]) -> asyncio.Future[T]:
        """Run ``job`` on a connection that sees everything committed so far."""
        return self._readers[next(self._turn) % len(self._readers)].put(job)

    def close(self) -> None:
        """Finish all queued writes and let go of the database; a server that does not answer is not waited for long."""
        lanes = (*self.writers, *self._readers)
        for lane in lanes:
            lane.close()
        end_s = time.monotonic() + CLOSE_WITHIN_S
        for lane in lanes:
            lane.join(max(0.0, end_s - time.monotonic()) if self.shared else None)


def attempt(job: Job[Any], connection: Connection) -> Any:
    """Run a job and return its outcome."""
    try:
        return job(connection)
    except Exception as cause:  # noqa: BLE001 - whatever it was, it is handed to the one who asked
        return Failed(cause)


def settle(group: Sequence[Entry], outcomes: Sequence[Any]) -> None:
    """Answer a group on the event loop, in order; called on a lane's thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        group[0].answer.get_loop().call_soon_threadsafe(_answer, group, outcomes)


def _answer(group: Sequence[Entry], outcomes: Sequence[Any]) -> None:
    for entry, outcome in zip(group, outcomes, strict=True):
        if entry.answer.done():
            continue  # whoever asked was cancelled, or told that the database has failed
        if isinstance(outcome, Failed):
            entry.answer.set_exception(outcome.cause)
        else:
            entry.answer.set_result(outcome)
