"""Tables are made for what is asked, and whatever is asked is there."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from harness.checks.catalogue import checks
from harness.checks.runner import examine, prepare
from harness.core.stack import Promises
from harness.history.ingest import open_history
from harness.history.tables import statements
from harness.testing.histories import HistoryBuilder

BUILDER = HistoryBuilder().online("alice/phone", "bob/phone")
BUILDER.send("m1", 2.0)


def test_what_nobody_asks_for_is_not_made(tmp_path: Path) -> None:
    """The events are always there, a table only when it or one made of it is asked for."""
    BUILDER.write(tmp_path)
    with open_history([tmp_path], ask="select op from sends") as history:
        assert history.number("select count(*) from sends") == 1
        assert history.number("select count(*) from events") > 1
        with pytest.raises(duckdb.CatalogException):
            history.rows("select * from owed_pushes")


@pytest.mark.parametrize("name", sorted(name for name, check in checks().items() if check.violations))
def test_each_check_finds_what_it_needs(tmp_path: Path, name: str) -> None:
    """Its own SQL tells which tables to make."""
    BUILDER.write(tmp_path)
    with open_history([tmp_path], ask=f"settings; {checks()[name].sql}") as history:
        prepare(history, Promises())
        examine(history, checks()[name])


def test_without_a_question_everything_is_made() -> None:
    """What a person may want to look at is there."""
    assert len(list(statements(None))) > len(list(statements("sends"))) > len(list(statements(""))) == 0


def test_two_histories_are_kept_apart(tmp_path: Path) -> None:
    """Both are open at once; closing one leaves the other."""
    for name, count in (("one", 1), ("two", 2)):
        builder = HistoryBuilder().online("alice/phone", "bob/phone")
        for number in range(count):
            builder.send(f"m{number}", 2.0 + number)
        builder.write(tmp_path / name)
    with open_history([tmp_path / "two"]) as two:
        with open_history([tmp_path / "one"]) as one:
            assert [history.number("select count(*) from sends") for history in (one, two)] == [1, 2]
        assert two.number("select count(*) from sends") == 2
        assert len(list(two.events("event = 'client_send_started'"))) == 2
