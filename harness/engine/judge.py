"""From a run's folder, or bare event files, to a judged result: works on finished, killed and foreign histories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.checks.runner import run_checks
from harness.core.errors import UsageError
from harness.core.results import RESULTS_VERSION, CheckResult, Counts, Reason, RunResult
from harness.core.stack import StackSpec, promises_as_data, promises_from_data
from harness.core.verdicts import Verdict
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.ladder import climb
from harness.engine.verdict import reasons_of, verdict_of, void_spoiled
from harness.history.ingest import History, open_history

COUNTS_SQL = """
SELECT count(*) AS events,
       count(DISTINCT op) FILTER (event = 'client_send_started') AS sent,
       count(DISTINCT op) FILTER (event = 'server_accepted') AS accepted,
       count(*) FILTER (event = 'client_send_failed' AND outcome = 'unknown') AS unknown
FROM events
"""


def judge_folder(path: Path, trouble: Sequence[Reason] = ()) -> RunResult:
    """Judge a run's folder; ``trouble`` is what its engine already knows to have gone wrong."""
    folder = RunFolder(path)
    facts = folder.read_facts()
    if facts is None:
        raise UsageError(f"{path} is no run folder: it has no run.json", hint="give the folder of a run, or event files")
    history = open_history([folder.events], parquet=path / "history.parquet")
    with history:
        return _judge(history, facts, trouble)


def judge_events(files: Sequence[Path], spec: StackSpec) -> RunResult:
    """Judge bare event files against the promises of a stack; nothing is known of faults or required checks."""
    with open_history(files) as history:
        return _judge(history, _foreign(history, spec), ())
