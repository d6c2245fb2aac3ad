"""Puts a report together and writes it beside what it tells of."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

from harness.core.errors import UsageError
from harness.core.results import RunResult
from harness.core.verdicts import Verdict
from harness.report.html import NAME
from harness.report.html.markup import Html, el
from harness.report.html.pace_svg import draw_pace
from harness.report.html.parts import (
    badge,
    checks_table,
    facts_list,
    faults_table,
    promises_table,
    resources_table,
    slo_table,
)
from harness.report.html.sections import anchor_of, anchors_of, draw_section
from harness.report.html.strip_svg import draw_strip
from harness.report.html.subject import Subject, read_subject
from harness.report.text import describe_findings, describe_load, scenario_id, verdict_in_full

FULL = 330_000
"""Characters after which further sections come without drawings: a page stays below 500 KB."""

_MORE_REASONS = 6


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run's folder and return its path.

    Raises ``UsageError`` when it is no run folder or cannot be written to.
    """
    text = draw_page(read_subject(folder))
    path = folder / NAME
    part = folder / f".{NAME}.part"
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as problem:
        raise UsageError(
            f"cannot write {path}: {problem.strerror}", hint="copy the run's folder to where you may write"
        ) from problem
    return path


def draw_page(subject: Subject) -> str:
    """Return the whole page."""
    name = scenario_id(subject.result)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy()),
        el("title", f"{subject.result.verdict.upper()} {name}"),
        el("style", Html(_asset("page.css"))),
    )
    body = el("body", el("main", *_main(subject)), el("script", Html(_asset("page.js"))))
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _main(subject: Subject) -> list[Html | None]:
    result = subject.result
    anchors = {section.broken.check.id: anchor_of(section) for section in subject.sections}
    parts = [_top(subject), _overview(subject)]
    if result.load:
        parts.append(_load(subject))
    size = sum(len(part) for part in parts if part)
    for section in subject.sections:
        parts.append(draw_section(section, subject, brief=size > FULL))
        size += len(parts[-1] or "")
    if result.faults:
        parts.append(_part("faults", "Faults, and whether they bit", faults_table(subject)))
    if result.by_promise:
        parts.append(_part("promises", "What the stack promises, and what became of it", promises_table(result)))
    parts.append(_part("checks", "Checks", checks_table(result.checks, anchors)))
    if result.slos:
        parts.append(_part("slos", "Service levels", slo_table(result.slos)))
    parts.append(_part("facts", "The run", facts_list(subject)))
    return parts


def _part(anchor: str, title: str, *content: Html) -> Html:
    return el("section", el("h2", title), *content, id=anchor)


def _top(subject: Subject) -> Html:
    result = subject.result
    line = [
        badge(result.verdict),
        el("h1", scenario_id(result)),
        _listed(result),
        el("span", subject.title, class_="title"),
    ]
    marks = [
        f"seed {result.seed}",
        f"stack {result.stack_label}",
        f"{result.launcher} launcher",
        f"{result.proxy} proxy",
    ]
    if result.mutant:
        marks.append(f"mutant {result.mutant}")
    return el(
        "header",
        el("div", *line, class_="line"),
        _why(subject),
        el("p", " · ".join(marks), class_="dim"),
        _replay(result.replay),
        class_=f"top {result.verdict}",
    )


def _listed(result: RunResult) -> Html | None:
    """What was known beforehand, beside the verdict that it changes nothing of."""
    told = verdict_in_full(result).removeprefix(result.verdict).strip()
    return el("span", told, title="\n".join(describe_findings(result)), class_="listed") if told else None


def _why(subject: Subject) -> Html:
    result = subject.result
    if result.verdict is Verdict.PASS:
        judged = sum(check.verdict is Verdict.PASS for check in result.checks)
        return el("p", f"Every promise held: {judged} checks over {result.counts.sent} messages.", class_="lead")
    reasons = result.reasons[:_MORE_REASONS]
    items = [_reason(reason.code, reason.check, reason.text) for reason in reasons]
    if len(result.reasons) > len(reasons):
        items.append(el("li", f"and {len(result.reasons) - len(reasons)} more"))
    return el("ul", *items, class_="why")


def _reason(code: str, check: str | None, text: str) -> Html:
    return el("li", text, " ", el("code", check or code))


def _replay(command: str) -> Html | None:
    if not command:
        return None
    return el(
        "div", el("code", command, id="replay"), el("button", "copy", data_copy="replay", hidden=True), class_="replay"
    )


def _overview(subject: Subject) -> Html | None:
    strip = subject.strip
    if strip is None:
        return _part("messages", "Messages", el("p", "Nothing was recorded."))
    anchors = {
        example.ids[0]: anchor
        for section in reversed(subject.sections)
        for example, anchor in zip(section.examples, anchors_of(section), strict=True)
        if example.ids
    }
    told = f"{strip.accepted} accepted messages: how long until every device of its audience had each"
    notes = [told]
    if strip.unanswered:
        notes.append(f"{strip.unanswered} never acknowledged are not drawn")
    if strip.grain > 1:
        notes.append("large dots stand for several")
    drawing = el("div", draw_strip(strip, subject.colours, anchors), class_="scroll")
    return el("section", el("h2", "Messages"), el("figure", drawing, el("figcaption", "; ".join(notes))), id="messages")


def _load(subject: Subject) -> Html:
    result = subject.result
    told = [el("p", text) for text in describe_load(result)]
    if subject.pace:
        drawing = el("div", draw_pace(subject.pace, subject.colours), class_="scroll")
        note = "by the second in which a message was due; what was used is one sample a second"
        told.append(el("figure", drawing, el("figcaption", note)))
    if result.resources:
        told.append(resources_table(result.resources))
    if result.unmeasured:
        told.append(el("p", result.unmeasured, class_="dim"))
    return _part("load", "Load", *told)


@cache
def _asset(name: str) -> str:
    return resources.files("harness.report.html").joinpath(name).read_text("utf-8")


def _policy() -> str:
    """Nothing but our own script may run, even if markup of a foreign server should slip through."""
    digest = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    own = f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
