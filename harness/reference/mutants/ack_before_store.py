"""Answers first and commits later: a crash loses what was acknowledged."""

from __future__ import annotations

import asyncio
import queue

from harness.reference import messages, push_store
from harness.reference.database import Database, Entry, Job, T, settle
from harness.reference.parts import Parts

QUIET_S = 1.0
LATER = (messages.__name__, push_store.__name__, __name__)


class WriteBehind(Database):
    """Answers inside an open transaction, which it commits in the first quiet second.

    Accounts, tokens and groups are committed at once: a crash is to lose messages, not the people who could miss them.
    """

    def read(self, job: Job[T]) -> asyncio.Future[T]:
        """Read on the writer's connection, which sees what is not committed yet."""
        return self.write(lambda connection: job(connection))  # noqa: PLW0108 - a job of this module commits nothing

    def _write_until_closed(self) -> None:
        while (entry := self._next()) is not None:
            if not self._writer.in_transaction:
                self._writer.execute("BEGIN IMMEDIATE")
            outcome = self.attempt(entry.job)
            if entry.job.__module__ not in LATER:
                self._flush()
            settle([entry], [outcome])
        self._flush()

    def _next(self) -> Entry | None:
        try:
            return self._entries.get(timeout=QUIET_S)
        except queue.Empty:
            self._flush()
            return self._entries.get()

    def _flush(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("COMMIT")


PARTS = Parts(database=WriteBehind)
