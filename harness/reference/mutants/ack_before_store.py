"""Answers first and commits later: a crash loses what was acknowledged."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Sequence
from typing import Any

from harness.reference import feeds, messages, push_store
from harness.reference.database import Database, Entry, Lane, Writer, settle
from harness.reference.parts import Parts
from harness.reference.storage import Connection, Engine, Job, T

QUIET_S = 1.0
SHARED_QUIET_S, SHARED_LOOK_S = 0.3, 0.4
LATER = (messages.__name__, push_store.__name__, feeds.__name__, __name__)


class WriteBehindWriter(Writer):
    """Answers inside an open transaction, which it commits in the first quiet second.

    Accounts, tokens and groups are committed at once: a crash is to lose messages, not the people who could miss them.
    Where others wait for its locks, it commits sooner.
    """

    _since_s: float | None = None
    _last_s: float = 0.0

    def work_until_closed(self) -> None:
        """Run jobs one by one and answer each before its commit."""
        while (entry := self._next()) is not None:
            settle([entry], self.outcomes([entry.job]))
        self.outcomes([])

    def _next(self) -> Entry | None:
        while self._since_s is not None:
            try:
                entry = self.entries.get(timeout=max(0.0, self._until_s() - time.monotonic()))
            except queue.Empty:
                self._commit_unless_busy()
            else:
                self._last_s = time.monotonic()
                return entry
        return self.entries.get()

    def _until_s(self) -> float:
        now_s = time.monotonic()
        if not self.engine.shared or self._since_s is None:
            return now_s + QUIET_S
        return min(now_s + SHARED_QUIET_S, self._since_s + SHARED_LOOK_S)

    def _commit_unless_busy(self) -> None:
        """Commit, but not between messages that come one after the other while nobody else waits."""
        busy = self.engine.shared and time.monotonic() - self._last_s < SHARED_QUIET_S
        if busy and self.outcomes([_others_wait]) == [False]:
            self._since_s = time.monotonic()
        else:
            self.outcomes([])

    def run(self, connection: Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        """Run jobs in the transaction that is open; commit it after others than those of messages, and without any."""
        if jobs and self._since_s is None:
            connection.run(self.engine.begin)
            self._since_s = time.monotonic()
        outcomes = [self.apart(connection, job) for job in jobs]
        if self._since_s is not None and (not jobs or any(job.__module__ not in LATER for job in jobs)):
            connection.run("COMMIT")
            self._since_s = None
        return outcomes

    def let_go(self) -> None:
        """Forget the transaction with its connection."""
        self._since_s = None
        super().let_go()


def _others_wait(connection: Connection) -> bool:
    """Whether a lock that is held is wanted, in the database that others share."""
    row = connection.row("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    return bool(row and row[0])


class WriteBehind(Database):
    """Has one writer that commits later, and reads what is not committed yet."""

    def make_writers(self, engine: Engine) -> Sequence[Lane]:
        """Return the one lane that writes."""
        return [WriteBehindWriter(engine)]

    def read(self, job: Job[T]) -> asyncio.Future[T]:
        """Read on the writer's connection, which sees what is not committed yet."""
        return self.write(lambda connection: job(connection))  # noqa: PLW0108 - a job of this module commits nothing


PARTS = Parts(database=WriteBehind)
