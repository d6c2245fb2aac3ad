"""Whether a crowd kept to its timetable."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.plan import LoadPlan, LoadStep
from harness.core.results import LoadResult
from harness.core.verdicts import Verdict
from harness.engine.lag import judge_load, lag_reasons
from harness.history.ingest import open_history
from harness.testing.histories import HistoryBuilder

LOAD = LoadPlan(100, 20.0, (LoadStep(1.0, 1.0),))
ON_TIME = {"max_lag_ms": 3.0, "lags": "0:90 1:9 3:1"}


def found_in(builder: HistoryBuilder, folder: Path) -> LoadResult:
    """Judge a history with one message."""
    builder.online("alice/phone", "bob/phone").send("m1", 4.0)
    with open_history([builder.write(folder)]) as history:
        result = judge_load(history, LOAD)
    assert result is not None
    return result


def test_seconds_of_all_writers_are_taken_together(tmp_path: Path) -> None:
    """The percentile is that of all messages, not the worst or the mean of the seconds'."""
    builder = HistoryBuilder()
    for second in range(9):
        builder.add("generator_lag", 5.0 + second, detail=ON_TIME)
    builder.add("generator_lag", 5.5, writer="swarm-2-2", detail={"max_lag_ms": 900.0, "lags": "900:1"})
    found = found_in(builder, tmp_path)
    assert (found.lag_p50_ms, found.lag_p99_ms, found.lag_max_ms, found.lag_limit_ms) == (0, 3, 900, 50)
    assert (found.people, found.rate_per_s, found.senders) == (100, 20.0, 1)
    assert lag_reasons(found) == []


@pytest.mark.parametrize(("at_s", "counts"), [(11.9, True), (12.5, False), (14.9, False), (15.2, True)])
def test_the_rush_after_a_heal_is_not_held_against_the_generator(tmp_path: Path, at_s: float, counts: bool) -> None:
    """What was late within two seconds after the cut was healed does not count; a second before or after it does."""
    builder = HistoryBuilder().fault("cut", 10.0, 12.0).add("generator_lag", 8.0, detail=ON_TIME)
    found = found_in(builder.add("generator_lag", at_s, detail={"max_lag_ms": 400.0, "lags": "400:30"}), tmp_path)
    assert bool(lag_reasons(found)) is counts


def test_a_late_generator_proves_nothing(tmp_path: Path) -> None:
    """More than one message in a hundred beyond the limit: inconclusive, and the sentence has both figures."""
    found = found_in(HistoryBuilder().add("generator_lag", 8.0, detail={"lags": "0:98 60:2"}), tmp_path)
    (reason,) = lag_reasons(found)
    assert (reason.code, reason.verdict) == ("generator_lag", Verdict.INCONCLUSIVE)
    assert "60 ms" in reason.text
    assert "50 ms" in reason.text


def test_a_run_of_a_few_people_is_not_measured(tmp_path: Path) -> None:
    """Without a crowd there is no timetable of one."""
    with open_history([HistoryBuilder().write(tmp_path)]) as history:
        assert judge_load(history, None) is None
    assert lag_reasons(None) == []
