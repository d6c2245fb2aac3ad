"""Reads the events of a run into DuckDB once; checks and traces ask it from then on."""

from __future__ import annotations

import glob
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from harness.core.errors import UsageError
from harness.core.events import SCHEMA_VERSION, Event
from harness.history.integrity import SILENCE_NS, Gap, Integrity, Silence
from harness.history.tables import statements

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "600MB"
"""What DuckDB may hold in one process; beyond it, it spills to the temporary folder. A million events need less."""

_ALWAYS = ("v", "run", "writer", "seq", "mono_ns", "wall_ns", "event", "observer")
_TAIL = 1 << 16
_HINT = "give a run folder, its events folder, or event files (*.jsonl)"


@dataclass(frozen=True, slots=True)
class History:
    """The events of one run as tables in ``db`` (see ``views.sql``), and how whole the record is.

    Close it, or use it as a context manager: it holds memory and perhaps a spill file.
    """

    db: duckdb.DuckDBPyConnection
    name: str
    """What DuckDB calls it."""
    files: tuple[Path, ...]
    integrity: Integrity

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one query."""
        return self.db.execute(sql, list(parameters)).fetchall()

    def number(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Return the one integer that a query answers; nothing counts as 0."""
        row = self.db.execute(sql, list(parameters)).fetchone()
        return int(row[0] or 0) if row else 0

    def events(self, where: str = "true", parameters: Sequence[object] = ()) -> Iterator[Event]:
        """Yield events in the order of their time; ``where`` is an SQL condition over the event's keys."""
        names = list(columns())
        cursor = self.db.cursor()
        cursor.execute(f"use {self.name}")
        query = cursor.execute(
            f"select {', '.join(names)} from events where {where} order by mono_ns, writer, seq",  # noqa: S608 - ours
            list(parameters),
        )
        while batch := query.fetchmany(2048):
            yield from (_event(dict(zip(names, row, strict=True))) for row in batch)

    def close(self) -> None:
        """Give the memory back."""
        _let_go(self.db, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def open_history(sources: Sequence[Path], *, parquet: Path | None = None, ask: str | None = None) -> History:
    """Read run folders, events folders or event files; with ``parquet``, also keep them there in compact form.

    ``ask`` is the SQL that is going to be asked, for which not all tables have to be made. Raises ``UsageError`` for a
    path that does not exist, holds no events or is something else.
    """
    files = event_files(sources)
    db, name = _connect()
    try:
        bad = _load(db, files)
        integrity = _integrity(db, bad)
        for statement in statements(ask):
            db.execute(statement)
        if parquet is not None:
            _keep(db, parquet)
    except BaseException:
        _let_go(db, name)
        raise
    return History(db, name, files, integrity)


def event_files(sources: Sequence[Path]) -> tuple[Path, ...]:
    """Return the event files of some run folders, events folders and files, each once.

    Raises ``UsageError`` when a source does not exist or a folder holds no event file.
    """
    found = {file.resolve(): None for source in sources for file in _files_of(source)}
    if not found:
        raise UsageError("no events were named", hint=_HINT)
    return tuple(found)


@cache
def columns() -> dict[str, str]:
    """Return the keys of an event with their DuckDB types."""
    return {field.name: _column_type(field) for field in msgspec.structs.fields(Event)}


def _column_type(field: msgspec.structs.FieldInfo) -> str:
    if field.name == "detail":
        return "JSON"
    return "BIGINT" if "int" in str(field.type) else "VARCHAR"


def _files_of(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UsageError(f"{source} does not exist", hint=_HINT)
    inner = source / "events"
    found = sorted((inner if inner.is_dir() else source).glob("*.jsonl"))
    if not found:
        raise UsageError(f"{source} holds no event files", hint=_HINT)
    return found


def _connect() -> tuple[duckdb.DuckDBPyConnection, str]:
    """Make room for one more history; return the connection to it and its name."""
    name = f"run_{secrets.token_hex(6)}"
    db = _engine().cursor()
    db.execute(f"attach ':memory:' as {name} (compress)")
    db.execute(f"use {name}")
    return db, name


def _let_go(db: duckdb.DuckDBPyConnection, name: str) -> None:
    db.execute("use memory")
    db.execute(f"detach {name}")
    db.close()


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """The one database of this process: making another takes as long as reading a short history."""
    import duckdb  # noqa: PLC0415 - 50 ms that only a command with a history should pay

    engine = duckdb.connect(":memory:")
    engine.execute(f"set memory_limit='{MEMORY_LIMIT}'")
    # DuckDB makes this folder when it first spills and removes it when it closes.
    engine.execute("set temp_directory = ?", [f"{tempfile.gettempdir()}/chat-chaos-spill-{secrets.token_hex(6)}"])
    return engine


def _load(db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> dict[str, int]:
    """Fill ``events`` and return how many lines of each file could not be read."""
    import duckdb  # noqa: PLC0415 - as above

    needed = " or ".join(f"{name} is null" for name in _ALWAYS)
    try:
        db.execute(
            "create table loaded as select * from read_json(?, format = 'newline_delimited', auto_detect = false,"
            " ignore_errors = true, hive_partitioning = false, filename = 'source', columns = ?)"
            " order by mono_ns, writer, seq",
            [[glob.escape(str(file)) for file in files], columns()],
        )
    except duckdb.Error as problem:
        first = str(problem).partition("\n")[0]
        raise UsageError(f"the events cannot be read: {first}", hint=_HINT) from problem
    bad = dict(db.execute(f"select source, count(*) from loaded where {needed} group by source").fetchall())  # noqa: S608 - constants
    if bad:
        _refuse_strangers(db, bad, needed)
        db.execute(f"delete from loaded where {needed}")  # noqa: S608 - constants
    if db.execute("select 1 from loaded limit 1").fetchone() is None:
        raise UsageError(f"{files[0].parent} holds no events", hint=_HINT)
    db.execute("create view events as select * exclude (source) from loaded")
    return bad


def _refuse_strangers(db: duckdb.DuckDBPyConnection, bad: dict[str, int], needed: str) -> None:
    """A file with lines but not one event is no event file, unless all it has is one torn line."""
    good = db.execute(f"select distinct source from loaded where not ({needed})").fetchall()  # noqa: S608 - constants
    known = {source for (source,) in good}
    for source, lines in bad.items():
        if source not in known and lines > torn(Path(source)):
            raise UsageError(f"{source} is not an event file: none of its {lines} lines is an event", hint=_HINT)


def torn(file: Path) -> int:
    """Return 1 when the last line of a file was cut short, else 0."""
    with file.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
        last = stream.read().rpartition(b"\n")[2]
    if not last.strip():
        return 0
    try:
        msgspec.json.decode(last)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 1
    return 0


def _integrity(db: duckdb.DuckDBPyConnection, bad: dict[str, int]) -> Integrity:
    torn_lines = sum(torn(Path(source)) for source in bad)
    return Integrity(
        events=_one(db, "select count(*) from events"),
        torn_lines=torn_lines,
        unreadable_lines=sum(bad.values()) - torn_lines,
        repeated=_one(db, "select count(*) - count(distinct (writer, seq)) from events"),
        gaps=tuple(Gap(*row) for row in db.execute(_GAPS).fetchall()),
        killed=tuple(row[0] for row in db.execute(_KILLED).fetchall()),
        silences=tuple(Silence(*row) for row in db.execute(_SILENCES, [SILENCE_NS]).fetchall()),
        unknown_versions=tuple(row[0] for row in db.execute(_VERSIONS, [SCHEMA_VERSION]).fetchall()),
        runs=tuple(row[0] for row in db.execute("select distinct run from events order by run").fetchall()),
    )


def _one(db: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = db.execute(sql).fetchone()
    return int(row[0]) if row else 0


_GAPS = """
with numbered as (
    select writer, seq, coalesce(lag(seq) over (partition by writer order by seq), -1) as before from events
)
select writer, before, seq - before - 1 from numbered where seq - before > 1 order by writer, seq
"""

_KILLED = """
select writer from events group by writer having count(*) filter (event = 'writer_closed') = 0 order by writer
"""

_SILENCES = """
with signs as (
    select writer, mono_ns, event, lag(mono_ns) over (partition by writer order by mono_ns) as before_ns
    from events where event in ('recorder_heartbeat', 'writer_closed')
)
select writer, before_ns, mono_ns from signs where mono_ns - before_ns > ? order by writer, mono_ns
"""

_VERSIONS = "select distinct v from events where v <> ? order by v"


def _keep(db: duckdb.DuckDBPyConnection, parquet: Path) -> None:
    """Write beside the target and rename, so that a killed command leaves no half file under the name."""
    partial = parquet.with_name(f".{parquet.name}.partial")
    quoted = str(partial).replace("'", "''")
    db.execute(f"copy events to '{quoted}' (format parquet, compression zstd)")
    partial.replace(parquet)


def _event(row: dict[str, Any]) -> Event:
    facts = {name: value for name, value in row.items() if value is not None}
    if "detail" in facts:
        facts["detail"] = msgspec.json.decode(facts["detail"])
    return Event(**facts)
