"""The seam between what is stored and where: SQL that SQLite and PostgreSQL both speak, and connections to either.

Jobs are plain functions of a ``Connection``. They use ``?`` or ``:name`` for values, and only such SQL as both know;
what differs (types, locks, clocks) is an ``Engine``'s. Text must not contain NUL, which PostgreSQL does not store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Value = str | int | float | bytes | None
Values = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]

T = TypeVar("T")


class StorageFailed(Exception):
    """The database did not do it, or did not answer; whether anything was stored is unknown."""


class Conflict(StorageFailed):
    """Another instance was faster: nothing was stored, and the same job may succeed now."""


class Connection(Protocol):
    """One connection to the database; everything raises ``StorageFailed``."""

    usable: bool
    """False once the connection is lost and has to be made anew."""
    now_ms: str
    """The expression for the milliseconds since the epoch, by a clock that all instances share."""
    skip_locked: str
    """What a ``SELECT`` in a transaction ends with to lock its rows and leave out those that others have locked."""

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Run a statement and return its rows."""
        ...

    def row(self, sql: str, values: Values = ()) -> Row | None:
        """Run a statement and return its first row."""
        ...

    def run(self, sql: str, values: Values = ()) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def later(self, sql: str, values: Values = ()) -> None:
        """Run a statement before or together with the next one; what is wrong with it may be told then."""
        ...

    def rows_of_each(self, sql: str, values: Iterable[Sequence[Value]]) -> list[Row]:
        """Run a statement that returns one row for each set of values, in their order."""
        ...

    def rollback(self) -> None:
        """Undo the open transaction."""
        ...

    def close(self) -> None:
        """Let go of the connection; never raises."""
        ...


class Engine(Protocol):
    """Where the data is, and how many connections at a time are of use there."""

    shared: bool
    """Whether other instances use the same data."""
    begin: str
    """The statement that begins a transaction."""
    writers: int
    """Connections that write; jobs with the same key go to the same one, in their order."""
    group: int
    """How many jobs a writer may take into one transaction."""
    gather_s: float
    """How long a writer that has more than one job at a time waits for others to take along; 0 where it need not."""
    readers: int
    stuck_s: float | None
    """When a job takes longer than so many seconds, whoever waits for its connection is told that it has failed."""

    def connect(self) -> Connection:
        """Open a connection to a database that has all tables; raises ``StorageFailed``."""
        ...


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of a job that failed; one that returns it with ``keep`` keeps what it has changed nevertheless."""

    cause: Exception
    keep: bool = False


Job = Callable[[Connection], T | Failed]


def places(values: Sequence[object]) -> str:
    """Return the placeholders for so many values: ``?, ?, ?``."""
    return ", ".join("?" * len(values))
