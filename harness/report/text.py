"""A finished run in words: what broke, where the message died, how to see it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.results import CheckResult, FaultResult, Reason, RunResult
from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished, RunSkipped
from harness.report.style import Style

_VERDICT_WIDTH = len(Verdict.INCONCLUSIVE.value)
_LABEL_WIDTH = 8


@dataclass(frozen=True, slots=True)
class Detail:
    """How much to say: ``quiet`` leaves the verdict lines, ``verbose`` adds each check and fault that held."""

    quiet: bool = False
    verbose: bool = False


def describe_run(item: RunFinished, style: Style, detail: Detail, life: str = "") -> list[str]:
    """Return the lines of one finished run; ``life`` is the story of the first witness, already rendered."""
    result = item.result
    lines = [_headline(item, style, detail)]
    if detail.quiet:
        return lines
    if result.verdict is not Verdict.PASS:
        lines += _reasons(result, style)
        lines += _broken(result, style)
    if result.verdict is not Verdict.PASS or detail.verbose:
        lines += [_labelled("fault", _fault(fault, style), style) for fault in result.faults]
    if detail.verbose:
        lines += [_labelled("check", _check(check, style), style) for check in result.checks]
    if life:
        lines += ["", *(f"  {line}".rstrip() for line in life.splitlines()), ""]
    if result.verdict is not Verdict.PASS or detail.verbose:
        lines += [_labelled("folder", str(item.folder), style), _labelled("replay", result.replay, style)]
    return lines


def describe_skip(item: RunSkipped, style: Style) -> list[str]:
    """Return the line of a scenario that this stack cannot play."""
    return [f"{style.paint('UNSUPPORTED'.ljust(_VERDICT_WIDTH), 'dim')}  {item.plan.id}  {item.reason}"]


def describe_session(results: Sequence[RunResult], skipped: int, exit_code: int, style: Style) -> list[str]:
    """Return the closing lines: how many runs came to which verdict, and what nobody judged."""
    tally = Counter(result.verdict for result in results)
    counts = [f"{tally[verdict]} {verdict}" for verdict in Verdict if tally[verdict]]
    if skipped:
        counts.append(f"{skipped} unsupported")
    runs = f"{len(results)} run{'' if len(results) == 1 else 's'}"
    lines = [f"{runs}: {', '.join(counts) or 'none finished'}" + style.paint(f"  (exit {exit_code})", "dim")]
    not_judged = sorted({name for result in results for name in result.not_judged})
    if not_judged:
        lines.append(f"not judged, because the stack does not promise it: {', '.join(not_judged)}")
    return lines


def _headline(item: RunFinished, style: Style, detail: Detail) -> str:
    result = item.result
    marks = [f"{item.elapsed_s:.1f} s", f"seed {result.seed}"]
    if result.mutant:
        marks.append(f"mutant {result.mutant}")
    if result.attempts > 1:
        marks.append(f"attempt {result.attempts}")
    if item.rerun:
        marks.append("will be repeated")
    head = f"{style.verdict(result.verdict, _VERDICT_WIDTH)}  {style.paint(item.plan.id, 'bold')}  {', '.join(marks)}"
    if result.verdict is Verdict.PASS and not detail.quiet:
        head += style.paint(f"  {_grounds(result)}", "dim")
    return head


def _grounds(result: RunResult) -> str:
    """What a pass rests on, in half a line."""
    judged = sum(check.verdict is Verdict.PASS for check in result.checks)
    faults = "".join(f"; {fault.id}: {_climb(fault)}" for fault in result.faults)
    return f"{judged} checks over {result.counts.sent} messages{faults}"


def _reasons(result: RunResult, style: Style) -> list[str]:
    """Sentences for what no check says by itself; a broken promise has its own lines."""
    told = {check.id for check in result.checks if check.violations}
    return [_labelled("because", _reason(reason), style) for reason in result.reasons if reason.check not in told]


def _reason(reason: Reason) -> str:
    return f"{reason.text} [{reason.code}]"


def _broken(result: RunResult, style: Style) -> list[str]:
    lines = []
    for check in result.checks:
        if not check.violations:
            continue
        name = style.paint(check.id, "red", "bold")
        lines.append(_labelled("broken", f"{name}  {check.violations} of {check.exercised} examined", style))
        lines += [_labelled("", witness.text, style) for witness in check.witnesses[:1]]
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


def _labelled(label: str, text: str, style: Style) -> str:
    return f"  {style.paint(label.ljust(_LABEL_WIDTH), 'dim')}  {text}"
