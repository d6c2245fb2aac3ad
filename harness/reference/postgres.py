"""Storage in PostgreSQL, for any number of instances; loaded only by a service that is told to use it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from threading import Lock
from typing import Any

import psycopg
from psycopg import errors

from harness.reference.storage import Conflict, Row, StorageFailed, Value, Values

WRITERS = 4
READERS = 2
COMMAND_S = 1.5
"""Without an answer for so long a connection is given up: a proxy's black hole never breaks it."""
CONNECT_S = 2
"""The least that libpq knows."""
STUCK_S = 3.0
_SERVER = {
    # An acknowledged message is on disk, whatever the server's default is.
    "synchronous_commit": "on",
    # Below what the client waits: a wait for a lock ends with an error rather than with a connection.
    "statement_timeout": "1200",
    # A transaction whose client was cut off does not hold its locks for long.
    "idle_in_transaction_session_timeout": "1200",
    "client_min_messages": "warning",
    "TimeZone": "UTC",
}
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in _SERVER.items())
_TYPES = {
    "INTEGER PRIMARY KEY AUTOINCREMENT": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "INTEGER": "BIGINT",
    "REAL": "DOUBLE PRECISION",
    "BLOB": "BYTEA",
    " STRICT, WITHOUT ROWID": "",
    " STRICT": "",
}
_MIGRATION_LOCK = 0x6368616F73
_IN_BETWEEN = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)


class BoundedConnection(psycopg.Connection[Row]):
    """Waits for no answer longer than ``COMMAND_S``."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = COMMAND_S) -> Any:
        """Let a command go on until it is done; raises ``psycopg.OperationalError`` after the timeout."""
        return super().wait(gen, interval, timeout)


class PostgresConnection:
    """One connection to the server, with everything committed at once outside of explicit transactions."""

    now_ms = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str) -> None:
        self.usable = True
        self._waiting: list[tuple[str, Values]] = []
        with self._told():
            self._inner = BoundedConnection.connect(
                url, autocommit=True, connect_timeout=CONNECT_S, options=_OPTIONS, application_name="chat"
            )

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Run a statement and return its rows."""
        with self._told():
            return self._run(sql, values).fetchall()

    def row(self, sql: str, values: Values = ()) -> Row | None:
        """Run a statement and return its first row."""
        return next(iter(self.rows(sql, values)), None)

    def run(self, sql: str, values: Values = ()) -> int:
        """Run a statement and return how many rows it changed."""
        with self._told():
            return self._run(sql, values).rowcount

    def later(self, sql: str, values: Values = ()) -> None:
        """Send a statement together with the next one: a way to the server and back is saved."""
        self._waiting.append((sql, values))

    def rows_of_each(self, sql: str, values: Iterable[Sequence[Value]]) -> list[Row]:
        """Run a statement that returns one row for each set of values, all under way at once."""
        with self._told(), self._inner.cursor() as cursor:
            with self._inner.pipeline():
                self._send_waiting()
                cursor.executemany(_spelled(sql), values, returning=True)
            return [row for result in cursor.results() for row in result.fetchall()]

    def _run(self, sql: str, values: Values) -> psycopg.Cursor[Row]:
        if not self._waiting:
            return self._inner.execute(_spelled(sql), values)
        with self._inner.pipeline():
            self._send_waiting()
            return self._inner.execute(_spelled(sql), values)

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sql, values in waiting:
            self._inner.execute(_spelled(sql), values)

    def rollback(self) -> None:
        """Undo the open transaction, with what has not been sent of it."""
        self._waiting.clear()
        self.run("ROLLBACK")

    def migrate(self, schema: str) -> None:
        """Make the tables that are missing; instances that start at the same time do so one after the other."""
        with self._told(), self._inner.transaction():
            self._inner.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            for statement in schema_of(schema).split(";"):
                if statement.strip():
                    self._inner.execute(statement.encode())

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(psycopg.Error):
            self._inner.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _IN_BETWEEN as cause:
            raise Conflict(_shown(cause)) from cause
        except psycopg.Error as cause:
            self.usable = not _lost(cause)
            raise StorageFailed(_shown(cause)) from cause


class Postgres:
    """A database at a URL, whose tables are made by whoever reaches it first."""

    shared = True
    begin = "BEGIN"
    writers = WRITERS
    group = 1
    gather_s = 0.0
    readers = READERS
    stuck_s: float | None = STUCK_S

    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._schema = schema
        self._migrating = Lock()
        self._migrated = False

    def connect(self) -> PostgresConnection:
        """Connect; the first time make the tables that are missing."""
        connection = PostgresConnection(self._url)
        with self._migrating:
            if not self._migrated:
                try:
                    connection.migrate(self._schema)
                except StorageFailed:
                    connection.close()
                    raise
                self._migrated = True
        return connection


def schema_of(schema: str) -> str:
    """Translate SQLite's types."""
    for ours, theirs in _TYPES.items():
        schema = schema.replace(ours, theirs)
    return schema


@lru_cache(maxsize=512)
def _spelled(sql: str) -> bytes:
    """Translate SQLite's placeholders."""
    return re.sub(r":(\w+)", r"%(\1)s", sql.replace("?", "%s")).encode()


def _lost(cause: psycopg.Error) -> bool:
    # What a server refuses leaves the connection as it was; anything else may have left half an answer on it.
    return cause.sqlstate is None or cause.diag.severity_nonlocalized in {"FATAL", "PANIC"}


def _shown(cause: psycopg.Error) -> str:
    return str(cause).partition("\n")[0] or type(cause).__name__
