"""The tables of a report: faults and their ladder, checks, service levels, facts of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.checks.catalogue import checks
from harness.core.events import Event
from harness.core.results import CheckResult, Counts, FaultResult, ResourceResult, RunResult
from harness.engine.verdict import GAP_TEXTS
from harness.report.html.markup import Html, el, join
from harness.report.html.scale import NEVER, since
from harness.report.html.subject import Subject
from harness.report.promises import promise_rows
from harness.report.text import MB

RUNGS = ("commanded", "installed", "felt", "mattered", "healed", "recovered")
_PLUMBING = frozenset({"kind", "began_ns"})
_LONGEST = 80
_SIDES = {"stack": "stack", "ours": "the harness's own", "all": "everything on it"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], **attributes: str) -> Html:
    """Return a table that scrolls by itself where the page is narrow."""
    titles = el("tr", *(el("th", name, scope="col") for name in head))
    body = join(el("tr", *(el("td", cell) for cell in row)) for row in rows)
    return el("div", el("table", el("thead", titles), el("tbody", body), **attributes), class_="scroll")


def badge(verdict: str | None) -> Html:
    """Return a verdict in its colour; a check without one is n/a."""
    return el("span", verdict or "n/a", class_=f"badge {verdict or 'none'}")


def faults_table(subject: Subject) -> Html:
    """Return the ladder of each fault: how far it got, and what shows it."""
    rows = [_fault_row(fault, subject) for fault in subject.result.faults]
    return table(("fault", "in place", "how far it got", "in flight", "evidence"), rows, class_="faults")


def _fault_row(fault: FaultResult, subject: Subject) -> Sequence[str]:
    swatch = el("span", class_="swatch", style=f"--c:{subject.colours.get(fault.kind, 'gray')}")
    name = join([swatch, el("b", fault.id), el("br"), f"{fault.kind} on ", el("code", fault.target)])
    span = f"{since(subject.origin_ns, fault.started_ns)} to {since(subject.origin_ns, fault.ended_ns)}"
    records = [event for event in subject.rungs if event.fault == fault.id]
    return name, span, _ladder(fault), str(fault.exposed), join(map(_evidence, records))


def _ladder(fault: FaultResult) -> Html:
    """Six rungs; the first that could not be shown is the gap, and those below a later proof count as climbed."""
    reached = RUNGS.index(fault.rung) if fault.rung in RUNGS else -1
    failed = (fault.gap or "").removeprefix("not_") if fault.gap else None
    failed = {"bypassed": "felt", "vacuous": "mattered"}.get(fault.gap or "", failed)
    steps = [
        el("li", rung, class_="gap" if rung == failed else "climbed" if index <= reached else "open")
        for index, rung in enumerate(RUNGS)
    ]
    told = el("p", f"{fault.gap}: it {GAP_TEXTS.get(fault.gap, 'stopped short')}", class_="why") if fault.gap else None
    return join([el("ol", *steps, class_="ladder"), told])


def _evidence(event: Event) -> Html:
    shown = {key: value for key, value in (event.detail or {}).items() if key not in _PLUMBING}
    return el("div", el("b", event.event.removeprefix("fault_")), " ", pairs(shown), class_="evidence")


def pairs(values: Mapping[str, object]) -> str:
    """Return names and values in one line, long values cut."""
    return "  ".join(f"{key}={str(value)[:_LONGEST]}" for key, value in values.items())


def checks_table(results: Sequence[CheckResult], anchors: Mapping[str, str]) -> Html:
    """Return every check with what it examined; a broken one leads to its section."""
    ordered = sorted(results, key=lambda check: (not check.violations, not check.required, check.verdict is None))
    rows = [_check_row(check, anchors.get(check.id)) for check in ordered]
    return table(("check", "verdict", "examined", "violations", "undecided", "note"), rows, class_="checks")


def _check_row(check: CheckResult, anchor: str | None) -> Sequence[str]:
    name = el("code", check.id)
    title = checks()[check.id].title if check.id in checks() else ""
    named: list[Html | None] = [el("a", name, href=f"#{anchor}") if anchor else name]
    named.append(el("span", " required", class_="dim") if check.required else None)
    verdict = badge("not judged" if check.not_judged else check.verdict)
    cells = (str(count) for count in (check.exercised, check.violations, check.undecided))
    return join([*named, el("br"), el("span", title, class_="dim")]), verdict, *cells, check.note


def promises_table(result: RunResult) -> Html:
    """Return what was promised beside what became of it, and the checks that say so."""
    rows = [
        (el("b", row.name), row.promised, badge(row.verdict), el("span", row.judged_by, class_="dim"))
        for row in promise_rows(result)
    ]
    return table(("promise", "promised", "verdict", "judged by"), rows, class_="promises")


def slo_table(slos: Sequence[Mapping[str, object]]) -> Html:
    """Return the service levels with what each rests on, whatever columns they come with."""
    names = list(dict.fromkeys(key for slo in slos for key in slo if key not in {"id", "verdict"}))
    rows = [
        (
            el("code", str(slo.get("id", ""))),
            badge(str(slo["verdict"]) if slo.get("verdict") else None),
            *(_figure(slo.get(name)) for name in names),
        )
        for slo in slos
    ]
    return table(("service level", "verdict", *(name.replace("_", " ") for name in names)), rows, class_="slos")


def resources_table(used: Sequence[ResourceResult]) -> Html:
    """Return what each part of a run used at most, and on average of the processor."""
    head = ("part", "", "cores", "at most", "busiest process", "memory", "open files", "processes")
    rows = [
        (
            el("code", one.part),
            _SIDES[one.of],
            *(f"{cores:.2f}" for cores in (one.cpu_mean, one.cpu_max, one.busiest_max)),
            f"{one.memory_max / MB:.0f} MB",
            str(one.files_max or NEVER),
            str(one.processes_max),
        )
        for one in used
    ]
    return table(head, rows, class_="resources")


def _figure(value: object) -> str:
    if value is None:
        return NEVER
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _unanswered(counts: Counts) -> str | None:
    """What became of messages whose sender was once left without an answer; nothing where there was none."""
    if not counts.unanswered:
        return None
    stored, absent = counts.unanswered_stored, counts.unanswered_absent
    open_ = counts.unanswered - stored - absent
    return f"{counts.unanswered}: {stored} stored, {absent} absent" + (f", {open_} not to be told" if open_ else "")


def facts_list(subject: Subject) -> Html:
    """Return what was run: all that it takes to compare two runs."""
    facts, result = subject.facts, subject.result
    values = {
        "seed": str(facts.seed),
        "stack": result.stack_label,
        "launcher": facts.launcher,
        "proxy": " ".join(filter(None, (facts.proxy, facts.proxy_version))),
        "why this proxy": facts.proxy_why or None,
        "what differs there": "; ".join(facts.caveats) or None,
        "mutant": facts.mutant,
        "attempt": str(facts.attempt) if facts.attempt > 1 else None,
        "parameters": pairs(facts.params) or None,
        "messages": f"{result.counts.sent} sent, {result.counts.accepted} accepted, {result.counts.unknown} unknown",
        "without an answer at first": _unanswered(result.counts),
        "events": f"{result.counts.events}, {result.counts.torn_lines} torn lines",
        "versions": pairs(facts.versions),
        "promises": pairs(result.promises),
        "not judged": ", ".join(result.not_judged) or None,
        "scenario": f"{facts.source} (sha256 {facts.scenario_sha256[:12]})",
        "run": facts.run,
        "folder": str(subject.folder),
    }
    terms = (el("div", el("dt", name), el("dd", value)) for name, value in values.items() if value is not None)
    return el("dl", *terms, class_="facts")
