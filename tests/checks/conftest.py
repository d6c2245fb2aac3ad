"""Judging small histories twice: by SQL and by the Python twins."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.checks.catalogue import checks
from harness.checks.oracles import TWINS, Facts, Judged, Terms, judge
from harness.checks.runner import examine, prepare
from harness.core.events import Event
from harness.core.plan import ClientBehaviour
from harness.core.stack import Promises
from harness.history.ingest import open_history
from harness.testing.histories import HistoryBuilder, write_events

PROMISES = Promises(
    durability="process_crash",
    order="conversation",
    idempotency_window_s=math.inf,
    server_time="monotonic",
    retention_s=math.inf,
    deliver_within_s=3.0,
    receipts=("delivered", "read"),
    push_content="none",
)

Judge = Callable[..., Judged]


def by_sql(
    events: Sequence[Event],
    folder: Path,
    promises: Promises,
    recover_within_s: float,
    client: ClientBehaviour,
    only: str | None = None,
) -> dict[str, Judged]:
    """Judge events by the SQL of every check, or of only one."""
    write_events(folder, events)
    with open_history([folder], ask=f"settings; {checks()[only].sql}" if only else None) as history:
        prepare(history, promises, recover_within_s, client)
        chosen = {name: check for name, check in checks().items() if only in {None, name} and check.violations}
        found = {name: examine(history, check) for name, check in chosen.items()}
    return {
        name: Judged(one.exercised, one.undecided, frozenset(row.key for row in one.rows))
        for name, one in found.items()
    }


def by_twin(
    events: Sequence[Event], promises: Promises, recover_within_s: float, client: ClientBehaviour
) -> dict[str, Judged]:
    """Judge events by the Python twin of every check."""
    terms, facts = Terms.of(promises, recover_within_s, client), Facts(events)
    return {name: twin(facts, terms) for name, twin in TWINS.items()}


@pytest.fixture
def promises() -> Promises:
    """What a strict stack promises."""
    return PROMISES


@pytest.fixture
def verdict_on(tmp_path: Path) -> Judge:
    """Judge a built history by one check, in SQL and in Python, which must agree."""
    folders: Iterator[Path] = (tmp_path / str(number) for number in range(100))

    def both(
        check: str,
        builder: HistoryBuilder,
        *,
        promises: Promises = PROMISES,
        recover_within_s: float = 10.0,
        client: ClientBehaviour = "outbox",
    ) -> Judged:
        events = builder.events()
        found = by_sql(events, next(folders), promises, recover_within_s, client, check)[check]
        assert found == judge(check, events, Terms.of(promises, recover_within_s, client))
        return found

    return both


@pytest.fixture
def by_both(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Judged]]:
    """Judge events by every check; SQL and twin must agree on each."""

    def agreed(events: Sequence[Event], promises: Promises, client: ClientBehaviour = "outbox") -> dict[str, Judged]:
        sql = by_sql(events, tmp_path_factory.mktemp("events"), promises, 5.0, client)
        twin = by_twin(events, promises, 5.0, client)
        for name in sql:
            assert sql[name] == twin[name], name
        return sql

    return agreed
