"""Answers first and commits later: a crash loses what was acknowledged."""

from __future__ import annotations

import asyncio
import queue
import time

from harness.reference.database import Database, Entry, Job, T, settle
from harness.reference.parts import Parts

FLUSH_AFTER_S = 1.0


class WriteBehind(Database):
    """Leaves the transaction open for a while, and answers inside it."""

    def read(self, job: Job[T]) -> asyncio.Future[T]:
        """Read on the writer's connection, which sees what is not committed yet."""
        return self.write(job)

    def _write_until_closed(self) -> None:
        while (entry := self._next()) is not None:
            if not self._writer.in_transaction:
                self._writer.execute("BEGIN IMMEDIATE")
                self._flush_at = time.monotonic() + FLUSH_AFTER_S
            settle([entry], [self.attempt(entry.job)])
        self._flush()

    def _next(self) -> Entry | None:
        while self._writer.in_transaction:
            try:
                return self._entries.get(timeout=max(0.0, self._flush_at - time.monotonic()))
            except queue.Empty:
                self._flush()
        return self._entries.get()

    def _flush(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("COMMIT")


PARTS = Parts(database=WriteBehind)
