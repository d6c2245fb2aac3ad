"""How well the clocks of other machines have to be known."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.verdicts import Verdict
from harness.engine.clocks import CODE, clock_reasons
from harness.history.ingest import open_history
from harness.history.recorder import Recorder


@pytest.mark.parametrize(("error_ms", "reasons"), [(3, []), (20, []), (21, [CODE])])
def test_an_error_beyond_the_limit_makes_a_run_inconclusive(tmp_path: Path, error_ms: int, reasons: list[str]) -> None:
    """The machine and the figure are named."""
    recorder = Recorder(tmp_path, run="r", role="conductor", observer="engine")
    recorder.record("clock_measured", detail={"machine": "m2", "offset_ns": 5, "error_ns": error_ms * 10**6})
    recorder.close()
    with open_history([tmp_path]) as history:
        found = clock_reasons(history)
    assert [reason.code for reason in found] == reasons
    assert all(reason.verdict is Verdict.INCONCLUSIVE and "m2" in reason.text for reason in found)


def test_one_machine_has_one_clock(tmp_path: Path) -> None:
    """Nothing was measured, nothing is doubted."""
    Recorder(tmp_path, run="r", role="engine", observer="engine").close()
    with open_history([tmp_path]) as history:
        assert clock_reasons(history) == []
