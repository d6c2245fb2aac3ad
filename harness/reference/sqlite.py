"""Storage in one SQLite file, for one process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.reference.storage import Row, StorageFailed, Value, Values

BUSY_S = 5


class SqliteConnection:
    """One connection to the file."""

    usable = True
    now_ms = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    skip_locked = ""

    def __init__(self, path: Path) -> None:
        with _told():
            self._inner = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
            self._inner.execute("PRAGMA journal_mode = WAL")
            self._inner.execute("PRAGMA synchronous = FULL")

    # Each statement tells by itself of its failure: a context manager would take as long as a statement.

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Run a statement and return its rows."""
        try:
            return self._inner.execute(sql, values).fetchall()
        except sqlite3.Error as cause:
            raise StorageFailed(str(cause)) from cause

    def row(self, sql: str, values: Values = ()) -> Row | None:
        """Run a statement and return its first row."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def run(self, sql: str, values: Values = ()) -> int:
        """Run a statement and return how many rows it changed."""
        try:
            return self._inner.execute(sql, values).rowcount
        except sqlite3.Error as cause:
            raise StorageFailed(str(cause)) from cause

    def later(self, sql: str, values: Values = ()) -> None:
        """Run a statement now: there is no way that would be saved."""
        self.run(sql, values)

    def rows_of_each(self, sql: str, values: Iterable[Sequence[Value]]) -> list[Row]:
        """Run a statement that returns one row for each set of values."""
        return [row for each in values for row in self.rows(sql, each)]

    def script(self, sql: str) -> None:
        """Run several statements."""
        with _told():
            self._inner.executescript(sql)

    def rollback(self) -> None:
        """Undo the open transaction, where SQLite has not done so by itself."""
        if self._inner.in_transaction:
            self.run("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._inner.close()


class Sqlite:
    """A file, made when missing.

    Every commit costs an fsync, so its one writer takes whatever has queued up meanwhile into one transaction.
    """

    shared = False
    begin = "BEGIN IMMEDIATE"
    writers = 1
    group = 256
    gather_s = 0.004
    readers = 1
    stuck_s: float | None = None

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._schema = schema

    def connect(self) -> SqliteConnection:
        """Open the file and make what is missing in it."""
        connection = SqliteConnection(self._path)
        connection.script(self._schema)
        return connection


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as cause:
        raise StorageFailed(str(cause)) from cause
