"""The tables that ``views.sql`` makes out of the events, and which of them a question needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

_NAME = re.compile(r"\s*create\s+(?:or\s+replace\s+)?(?:table|view|macro)\s+(\w+)", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, the name of what it makes, and the names of what it may be made of."""

    name: str
    sql: str
    sources: frozenset[str]


def statements(ask: str | None) -> Iterator[str]:
    """Yield the statements that make what the SQL ``ask`` needs, in order; all of them for None."""
    wanted = {statement.name for statement in _all()} if ask is None else _with_sources(_words(ask))
    yield from (statement.sql for statement in _all() if statement.name in wanted)


def _with_sources(words: frozenset[str]) -> set[str]:
    wanted = set(words)
    for statement in reversed(_all()):
        if statement.name in wanted:
            wanted |= statement.sources
    return wanted


@cache
def _all() -> tuple[Statement, ...]:
    import duckdb  # noqa: PLC0415 - 50 ms that only a command with a history should pay

    text = resources.files("harness.history").joinpath("views.sql").read_text("utf-8")
    made: list[Statement] = []
    for one in duckdb.extract_statements(text):
        bare = _COMMENT.sub("", one.query)
        found = _NAME.match(bare)
        if found is None:
            raise ValueError(f"views.sql: this makes nothing of a name: {bare.strip()[:80]}")
        before = frozenset(statement.name for statement in made)
        made.append(Statement(found[1], one.query, before & _words(bare)))
    return tuple(made)


def _words(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sql))
