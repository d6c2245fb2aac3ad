"""A finished run in words: what broke, where the message died, how to see it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.checks.catalogue import checks
from harness.core.results import CheckResult, FaultResult, Reason, ResourceResult, RunResult, Witness
from harness.core.verdicts import Verdict
from harness.engine.stream import RunSkipped
from harness.report.promises import PromiseRow, promise_rows
from harness.report.style import Style

_VERDICT_WIDTH = len(Verdict.INCONCLUSIVE.value)
_LABEL_WIDTH = 8
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Detail:
    """How much to say: ``quiet`` leaves the verdict lines, ``verbose`` adds each check and fault that held."""

    quiet: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A result with what surrounds it: its folder, how long it took, the story of its first witness.

    ``folder`` is None for bare events, ``elapsed_s`` for a run that was judged later; ``life`` is already rendered;
    ``report`` is the page that shows it, if there is one.
    """

    result: RunResult
    folder: str | None = None
    elapsed_s: float | None = None
    life: str = ""
    report: str | None = None


def describe_run(judged: Judged, style: Style, detail: Detail) -> list[str]:
    """Return the lines of one judged run: the verdict first, then what a person needs to act on it."""
    result = judged.result
    lines = [_headline(judged, style, detail)]
    if detail.quiet:
        return lines
    lines += [_labelled("load", text, style) for text in describe_load(result)]
    lines += [_labelled("used", text, style) for text in describe_resources(result)]
    lines += [_labelled("known", text, style) for text in describe_findings(result)]
    if result.counts_as is Verdict.PASS and not detail.verbose:
        return lines
    lines += _reasons(result, style, detail)
    lines += _broken(result, style)
    lines += [_labelled("fault", _fault(fault, style), style) for fault in result.faults]
    if detail.verbose:
        lines += [_labelled("promise", _promise(row, style), style) for row in promise_rows(result)]
        lines += [_labelled("check", _check(check, style), style) for check in result.checks]
        lines += [_labelled("level", _level(slo), style) for slo in result.slos if "bound" in slo]
    if judged.life:
        lines += ["", *judged.life.splitlines(), ""]
    if result.proxy_why and detail.verbose:
        lines.append(_labelled("proxy", f"{result.proxy} {result.proxy_version}: {result.proxy_why}", style))
    if judged.report:
        lines.append(_labelled("report", judged.report, style))
    if judged.folder:
        lines.append(_labelled("folder", judged.folder, style))
    if result.replay:
        lines.append(_labelled("replay", result.replay, style))
    return lines


def describe_load(result: RunResult) -> list[str]:
    """Return the sentence on a crowd: what it wrote, and how well it kept to its timetable."""
    load = result.load
    if load is None:
        return []
    wanted = f"{load.people} people, {load.sent_per_s:g} messages/s of {load.rate_per_s:g}/s at full strength"
    lag = f"left {load.lag_p99_ms} ms late at p99 (at most {load.lag_max_ms}, allowed {load.lag_limit_ms})"
    return [f"{wanted}; {lag}"]


def describe_resources(result: RunResult) -> list[str]:
    """Return a sentence for each part of a run under load: the processor, memory and files that it used."""
    own = sum(one.cpu_mean for one in result.resources if one.of != "all")
    told = [_machine(one, own) if one.of == "all" else _use(one) for one in result.resources]
    return [*told, result.unmeasured] if result.unmeasured else told


def _machine(one: ResourceResult, own: float) -> str:
    """What is left of the busy cores is other work, which slows everybody down."""
    busy = f"{one.cpu_mean:.2f} of {one.cores} cores busy, {own:.2f} of them with this run"
    return f"{one.part}: {busy}; {one.memory_max / MB:.0f} MB in use"


def _use(one: ResourceResult) -> str:
    return f"{one.part}: {_cores(one)}, {one.memory_max / MB:.0f} MB, {one.files_max} files"


def _cores(one: ResourceResult) -> str:
    several = f", the busiest of {one.processes_max} processes {one.busiest_max:.2f}" if one.processes_max > 1 else ""
    return f"{one.cpu_mean:.2f} cores, at most {one.cpu_max:.2f}{several}"


def describe_findings(result: RunResult) -> list[str]:
    """Return a sentence for each listed finding that showed, or that stayed away although it always shows."""
    told = []
    for finding in result.findings:
        if finding.seen:
            told.append(f"{finding.id}: {finding.text} ({finding.source})")
        elif finding.id in result.missed:
            told.append(f"{finding.id} did not show, although it is listed as {finding.rate}: strike it from the list")
    return told


def verdict_in_full(result: RunResult) -> str:
    """Return the verdict with what was listed beforehand: ``fail (expected: ID)``."""
    marks = []
    if result.expected:
        marks.append(f"expected: {', '.join(result.expected)}")
    if result.missed:
        marks.append(f"unexpected: no {', '.join(result.missed)}")
    return f"{result.verdict} ({'; '.join(marks)})" if marks else str(result.verdict)


def telling(witnesses: Sequence[Witness]) -> list[Witness]:
    """Return the witnesses in the order in which they tell most: those that a fault passed over come first."""
    return sorted(witnesses, key=lambda witness: not witness.faults)


def describe_skip(item: RunSkipped, style: Style) -> list[str]:
    """Return the line of a scenario that was not played: this stack cannot, or an earlier one failed."""
    return [f"{style.paint('SKIPPED'.ljust(_VERDICT_WIDTH), 'dim')}  {item.plan.id}  {item.reason}"]


def describe_session(results: Sequence[RunResult], skipped: int, exit_code: int, style: Style) -> list[str]:
    """Return the closing lines: how many runs came to which verdict, and what nobody judged."""
    tally = Counter(result.verdict for result in results)
    counts = [f"{tally[verdict]} {verdict}" for verdict in Verdict if tally[verdict]]
    if known := sum(result.counts_as is Verdict.PASS is not result.verdict for result in results):
        counts.append(f"{known} of them expected")
    if skipped:
        counts.append(f"{skipped} skipped")
    runs = f"{len(results)} run{'' if len(results) == 1 else 's'}"
    lines = [f"{runs}: {', '.join(counts) or 'none finished'}" + style.paint(f"  (exit {exit_code})", "dim")]
    lines += [
        f"finding {one['id']}: showed in {one['seen']} of {one['runs']} runs (listed: {one['rate']})"
        for one in tally_findings(results)
    ]
    if simulated := sorted({result.stack for result in results if result.simulated}):
        lines.append(
            f"simulated: nothing was seen of the service itself, only of a simulator of it: {', '.join(simulated)}"
        )
    not_judged = sorted({name for result in results for name in result.not_judged})
    if not_judged:
        lines.append(f"not judged, because the stack does not promise it: {', '.join(not_judged)}")
    return lines


def tally_findings(results: Sequence[RunResult]) -> list[dict[str, str | int]]:
    """Count in how many of the runs that it is listed for each finding showed, by its id."""
    found: dict[str, dict[str, str | int]] = {}
    for one in (finding for result in results for finding in result.findings):
        entry = found.setdefault(one.id, {"id": one.id, "rate": one.rate, "runs": 0, "seen": 0})
        found[one.id] = entry | {"runs": int(entry["runs"]) + 1, "seen": int(entry["seen"]) + one.seen}
    return [found[name] for name in sorted(found)]


def _headline(judged: Judged, style: Style, detail: Detail) -> str:
    result = judged.result
    marks = [f"seed {result.seed}"] if result.scenario else []
    if judged.elapsed_s is not None:
        marks.insert(0, f"{judged.elapsed_s:.1f} s")
    if result.simulated:
        marks.append(f"stack {result.stack_label}")
    if result.mutant:
        marks.append(f"mutant {result.mutant}")
    if result.proxy not in {"embedded", "none"}:
        marks.append(f"{result.proxy} proxy")
    if result.attempts > 1:
        marks.append(f"attempt {result.attempts}")
    name = style.paint(scenario_id(result), "bold")
    listed = verdict_in_full(result).removeprefix(result.verdict).strip()
    name = f"{name}  {style.paint(listed, 'yellow')}" if listed else name
    head = f"{style.verdict(result.verdict, _VERDICT_WIDTH)}  {name}  {', '.join(marks)}".rstrip()
    if result.verdict is Verdict.PASS and not detail.quiet:
        head += style.paint(f"  {_grounds(result)}", "dim")
    return head


def scenario_id(result: RunResult) -> str:
    """Return name and matrix entry, as the plan had them; ``events`` for a history without a scenario."""
    entry = ",".join(f"{axis}={value}" for axis, value in result.params.items())
    return f"{result.scenario}[{entry}]" if entry else result.scenario or "events"


def _grounds(result: RunResult) -> str:
    """What a pass rests on, in half a line."""
    judged = sum(check.verdict is Verdict.PASS for check in result.checks)
    faults = "".join(f"; {fault.id}: {_climb(fault)}" for fault in result.faults)
    return f"{judged} checks over {result.counts.sent} messages{faults}"


def _reasons(result: RunResult, style: Style, detail: Detail) -> list[str]:
    """Sentences for what no check says by itself; a broken promise has its own lines.

    What broke the surroundings drags doubts after it: those are counted, and told in full with ``verbose``.
    """
    told = {check.id for check in result.checks if check.violations}
    open_ones = [reason for reason in result.reasons if reason.check not in told]
    shown = [reason for reason in open_ones if detail.verbose or _weighs(reason, result.verdict)]
    lines = [_labelled("because", _reason(reason), style) for reason in shown]
    folded = len(open_ones) - len(shown)
    if folded:
        lines.append(
            _labelled("", style.paint(f"and {folded} doubt(s) that follow from it (-v shows them)", "dim"), style)
        )
    return lines


def _weighs(reason: Reason, verdict: Verdict) -> bool:
    return verdict is not Verdict.ERROR or reason.verdict in {Verdict.ERROR, None}


def _reason(reason: Reason) -> str:
    return f"{reason.text} [{reason.code}]"


def _broken(result: RunResult, style: Style) -> list[str]:
    lines = []
    for check in result.checks:
        if not check.violations:
            continue
        name = style.paint(check.id, "red", "bold")
        lines.append(_labelled("broken", f"{name}  {check.violations} of {check.exercised} examined", style))
        if check.id in checks():
            lines.append(_labelled("", f"promised: {checks()[check.id].title}", style))
        lines += [_labelled("", f"but {witness.text}", style) for witness in telling(check.witnesses)[:1]]
        during = sorted({fault for witness in check.witnesses for fault in witness.faults})
        if during:
            lines.append(_labelled("", f"during {', '.join(during)}", style))
    return lines


def _fault(fault: FaultResult, style: Style) -> str:
    return f"{style.paint(fault.id, 'cyan')}  {fault.kind} on {fault.target}: {_climb(fault)}"


def _climb(fault: FaultResult) -> str:
    exposed = f"{fault.exposed} in flight"
    return f"{fault.gap} (got as far as {fault.rung}, {exposed})" if fault.gap else f"{fault.rung}, {exposed}"


def _check(check: CheckResult, style: Style) -> str:
    verdict = style.paint("n/a", "dim") if check.verdict is None else style.paint(check.verdict.value)
    needed = ", required" if check.required else ""
    return f"{check.id}: {verdict}, {check.exercised} examined{needed}"


def _promise(row: PromiseRow, style: Style) -> str:
    verdict = row.verdict or style.paint("nothing to judge", "dim")
    judged = style.paint(f"  {row.judged_by}", "dim") if row.judged_by else ""
    return f"{row.name}: {row.promised} -> {verdict}{judged}"


def _level(slo: Mapping[str, object]) -> str:
    """A service level that the scenario bounds; the others are in the report."""
    return f"{slo['id']}: {slo['verdict']}, {slo['note']}"


def _labelled(label: str, text: str, style: Style) -> str:
    first, *more = text.splitlines() or [""]
    margin = " " * (_LABEL_WIDTH + 4)
    return "\n".join([f"  {style.paint(label.ljust(_LABEL_WIDTH), 'dim')}  {first}", *(margin + line for line in more)])
