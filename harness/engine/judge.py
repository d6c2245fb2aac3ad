"""From a run's folder, or bare event files, to a judged result: works on finished, killed and foreign histories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.checks.catalogue import NO_LEAKS
from harness.checks.leaks import scan_logs
from harness.checks.runner import run_checks
from harness.checks.slos import Figures, judge_slos, slo_reasons
from harness.core.errors import UsageError
from harness.core.results import RESULTS_VERSION, CheckResult, Counts, FaultResult, LoadResult, Reason, RunResult
from harness.core.stack import Promises, StackSpec, promises_as_data, promises_from_data
from harness.core.verdicts import Verdict
from harness.engine.clocks import clock_reasons
from harness.engine.consumption import consumption, other_work, read_samples, unmeasured
from harness.engine.findings import settled
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.ladder import climb
from harness.engine.lag import CODE as LATE
from harness.engine.lag import judge_load, lag_reasons, writing_span
from harness.engine.promised import by_promise
from harness.engine.verdict import reasons_of, verdict_of, void_spoiled
from harness.history.ingest import History, open_history
from harness.history.integrity import Integrity

ENGINE = "engine-"
"""How the names of the engine's event files begin."""

COUNTS_SQL = """
SELECT (SELECT count(*) FROM events), count(*), count(*) FILTER (outcome = 'ok'), count(*) FILTER (outcome = 'unknown')
FROM sends
"""
# What the sender could not know, told by the readings at the end: one that holds it is enough, to miss it takes all.
UNANSWERED_SQL = """
WITH unanswered AS (
    SELECT op, client_message_id IN (SELECT message FROM oracle) AS stored
    FROM sends SEMI JOIN (SELECT op FROM attempts WHERE outcome = 'unknown') USING (op)
),
unread AS (
    SELECT m.op FROM members AS m LEFT JOIN oracle_status AS o USING (person) WHERE NOT coalesce(o.complete, false)
)
SELECT count(*), count(*) FILTER (stored), count(*) FILTER (NOT stored AND op NOT IN (SELECT op FROM unread))
FROM unanswered
"""


def judge_folder(path: Path, trouble: Sequence[Reason] = ()) -> RunResult:
    """Judge a run's folder; ``trouble`` is what its engine already knows to have gone wrong.

    Raises ``UsageError`` when it is no run folder or holds no events.
    """
    facts = RunFolder(path).read_facts()
    if facts is None:
        raise UsageError(
            f"{path} is no run folder: it has no run.json", hint="give the folder of a run, or event files"
        )
    if not _has_events(path):
        nothing = Reason(code="cut_short", text="it ended before anything was recorded", verdict=Verdict.INCONCLUSIVE)
        return _result(facts, (), (), (*trouble, nothing), Counts())
    leaks = scan_logs(path, facts.canary, required=NO_LEAKS.id in facts.required_checks)
    with open_history([path], parquet=path / "history.parquet") as history:
        result = _judge(history, facts, trouble, [leaks])
        return _with_resources(result, history, path) if facts.load else result


def _with_resources(result: RunResult, history: History, path: Path) -> RunResult:
    used = consumption(read_samples(path), *writing_span(history))
    blamed = other_work(used)
    reasons = tuple(_blaming(reason, blamed) if blamed else reason for reason in result.reasons)
    why = unmeasured(used, result.launcher)
    return msgspec.structs.replace(result, reasons=reasons, resources=used, unmeasured=why)


def _blaming(reason: Reason, blamed: str) -> Reason:
    """A late generator is told with what made it so."""
    return msgspec.structs.replace(reason, text=f"{reason.text}; {blamed}") if reason.code == LATE else reason


def judge_events(files: Sequence[Path], spec: StackSpec) -> RunResult:
    """Judge bare event files against the promises of a stack; nothing is known of faults or required checks."""
    with open_history(files) as history:
        return _judge(history, _foreign(history, spec, files), ())


def _judge(
    history: History, facts: RunFacts, trouble: Sequence[Reason], beside: Sequence[CheckResult] = ()
) -> RunResult:
    """``beside`` are results of checks that looked at something else than the history."""
    promises = promises_from_data(facts.promises)
    judged = run_checks(
        history, promises, facts.required_checks, recover_within_s=facts.recover_within_s, client=facts.client
    )
    found = sorted([*judged, *beside], key=lambda check: check.id)
    faults = climb(history, facts.faults, found)
    checks = void_spoiled(
        found,
        unhealed=any(fault.gap == "not_healed" for fault in faults),
        evidence_lost=history.integrity.evidence_lost,
        trouble=[reason.code for reason in trouble],
    )
    slos = judge_slos(history, facts.slos, plateau=facts.load is not None and facts.load.plateau)
    load = judge_load(history, facts.load)
    others = [*trouble, *_doubts(history.integrity), *slo_reasons(slos), *lag_reasons(load), *clock_reasons(history)]
    reasons = reasons_of(checks, faults, others, cut_short=_cut_short(history.integrity))
    return _result(facts, checks, faults, reasons, _counts(history), tuple(slos), load)


def _result(
    facts: RunFacts,
    checks: tuple[CheckResult, ...],
    faults: tuple[FaultResult, ...],
    reasons: tuple[Reason, ...],
    counts: Counts,
    slos: tuple[Figures, ...] = (),
    load: LoadResult | None = None,
) -> RunResult:
    verdict = verdict_of(reasons, checks)
    result = RunResult(
        v=RESULTS_VERSION,
        run=facts.run,
        scenario=facts.scenario,
        params=facts.params,
        seed=facts.seed,
        stack=facts.stack,
        launcher=facts.launcher,
        proxy=facts.proxy,
        proxy_version=facts.proxy_version,
        proxy_why=facts.proxy_why,
        caveats=facts.caveats,
        verdict=verdict,
        exit_code=verdict.exit_code,
        attempts=facts.attempt,
        reasons=reasons,
        counts=counts,
        checks=checks,
        faults=faults,
        slos=slos,
        promises=facts.promises,
        by_promise=by_promise(checks, promises_from_data(facts.promises)),
        not_judged=_not_judged(promises_from_data(facts.promises)),
        replay=facts.replay,
        mutant=facts.mutant,
        load=load,
        simulated=facts.simulated,
    )
    return settled(result, facts.findings)


def _has_events(path: Path) -> bool:
    return any(file.stat().st_size for file in RunFolder(path).events.glob("*.jsonl"))


def _cut_short(integrity: Integrity) -> bool:
    """Whether the harness itself was killed: its own writer never closed its file."""
    return any(writer.startswith(ENGINE) for writer in integrity.killed)


def _doubts(integrity: Integrity) -> list[Reason]:
    """What is wrong with the record itself: lost evidence is an error, a run cut short proves nothing."""
    code, verdict = ("evidence_lost", Verdict.ERROR) if integrity.evidence_lost else ("cut_short", Verdict.INCONCLUSIVE)
    return [Reason(code=code, text=problem, verdict=verdict) for problem in integrity.problems]


def _counts(history: History) -> Counts:
    events, sent, accepted, unknown = history.rows(COUNTS_SQL)[0]
    unanswered, stored, absent = history.rows(UNANSWERED_SQL)[0]
    return Counts(
        events=events,
        sent=sent,
        accepted=accepted,
        unknown=unknown,
        unanswered=unanswered,
        unanswered_stored=stored,
        unanswered_absent=absent,
        torn_lines=history.integrity.torn_lines,
    )


def _not_judged(promises: Promises) -> tuple[str, ...]:
    """Names of promises that the stack does not make."""
    declared = promises_as_data(promises)
    missing = [name for name in Promises.__dataclass_fields__ if name not in declared]
    beyond = ["power_loss"] if promises.durability == "process_crash" else []
    return (*missing, *beyond)


def _foreign(history: History, spec: StackSpec, files: Sequence[Path]) -> RunFacts:
    return RunFacts(
        v=1,
        run=",".join(history.integrity.runs),
        scenario="",
        params={},
        source="",
        seed=0,
        attempt=1,
        stack=spec.name,
        launcher="none",
        proxy="none",
        mutant=None,
        versions={},
        scenario_sha256="",
        promises=promises_as_data(spec.promises),
        simulated=spec.simulated,
        faults=(),
        required_checks=(),
        recover_within_s=10.0,
        replay="chat-chaos check " + " ".join(str(file) for file in files),
    )
