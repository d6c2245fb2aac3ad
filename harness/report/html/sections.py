"""One section for each broken promise: where its messages died, in a drawing and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.checks.catalogue import checks
from harness.checks.causes import Cause
from harness.core.results import Witness
from harness.history.trace import Life
from harness.history.words import MISSING, describe, who
from harness.report.html.lanes_svg import draw_picture, legend
from harness.report.html.loglines import Excerpt, LogLine, excerpts
from harness.report.html.markup import Html, el, escape, join
from harness.report.html.scale import TIMES, since
from harness.report.html.subject import Example, Section, Subject
from harness.report.html.ways import last_sign, picture_of, unwanted

MOST_CAUSES = 20
STORY_LINES = 90
SEEN = {
    "client_send_started": "sent",
    "server_accepted": "acknowledged",
    "recipient_online_delivered": "received live",
    "recipient_synced": "received by sync",
    "stored": "stored",
    "to_device_accepted": "accepted",
    "to_device_arrived": "received",
    "to_device_confirmed": "confirmed",
}
LOG_LINES = 40


def anchor_of(section: Section) -> str:
    """Return the name under which a section is found in its page."""
    return f"check-{section.broken.check.id}"


def anchors_of(section: Section) -> list[str]:
    """Return the names under which the examples of a section are found; ids of messages are not ours to use there."""
    return [f"{anchor_of(section)}-{index}" for index in range(1, len(section.examples) + 1)]


def draw_section(section: Section, subject: Subject, *, brief: bool) -> Html:
    """Return one section; ``brief`` leaves drawings, lives and logs out, for a page that is full."""
    check = section.broken.check
    known = checks().get(check.id)
    count = f"{check.violations} of {check.exercised} examined"
    parts: list[Html | None] = [
        el("h2", el("code", check.id), " ", el("span", count, class_="count")),
        el("p", f"Promised: {known.title}.", class_="promise") if known else None,
        _causes(section),
    ]
    if brief:
        parts.append(el("p", "Drawings are left out to keep this page small; see chat-chaos trace.", class_="dim"))
    else:
        parts += [
            _example(one, subject, anchor) for one, anchor in zip(section.examples, anchors_of(section), strict=True)
        ]
    return el("section", *parts, id=anchor_of(section), class_="broken")


def _causes(section: Section) -> Html | None:
    causes = section.broken.causes
    if len(causes) <= 1:
        return None
    drawn = len(section.examples)
    items = [_cause(cause, drawn=index < drawn) for index, cause in enumerate(causes[:MOST_CAUSES])]
    if len(causes) > MOST_CAUSES:
        items.append(el("li", f"and {len(causes) - MOST_CAUSES} more ways"))
    counted = sum(cause.count for cause in causes)
    some = f", by the first {counted} violations" if counted < section.broken.check.violations else ""
    return join([el("p", f"It broke in {len(causes)} ways{some}:"), el("ul", *items, class_="causes")])


def _cause(cause: Cause, *, drawn: bool) -> Html:
    example = cause.example
    last = SEEN.get(example.last_step or "", (example.last_step or "nothing seen").replace("_", " "))
    never = MISSING.get(example.missing_step or "", (example.missing_step or "").replace("_", " "))
    steps = f"{last}; then {never}" if never else example.text
    during = f" (during {', '.join(example.faults)})" if example.faults else ""
    told = None if drawn or not never else el("span", example.text, class_="dim")
    return el("li", el("b", f"{cause.count}{TIMES}"), f" {steps}{during} ", told)


def _example(example: Example, subject: Subject, anchor: str) -> Html:
    witness = example.cause.example
    title = example.ids[0] if example.ids else "no message"
    parts: list[Html | None] = [el("p", witness.text, class_="witness")]
    if example.life:
        picture = picture_of(example.life, witness, example.scene)
        parts += [
            _obituary(example.life, witness),
            el(
                "figure",
                el("div", draw_picture(picture), class_="scroll"),
                el("figcaption", "; ".join(legend(picture))),
            ),
            _story(example),
        ]
    if anchor.endswith("-1") and example.moment_ns is not None:
        parts.append(_logs(example, subject))
    like = example.cause.count - 1
    alike = f" and {like} like it" if like else ""
    return el("article", el("h3", "message ", el("code", title), alike), *parts, id=anchor)


def _obituary(life: Life, witness: Witness) -> Html | None:
    """Three steps that tell the end: the last sign of life, what struck, what never came."""
    sign = last_sign(life, witness)
    if sign is None or witness.missing_step is None:
        return _unwanted(life, witness)
    steps = [_step("last seen", f"{since(life.origin_ns, sign.mono_ns)}", f"{who(sign)} {describe(sign, life)}")]
    for window in life.faults:
        if window.from_ns is not None:
            span = f"{since(life.origin_ns, window.from_ns)} to {since(life.origin_ns, window.healed_ns)}"
            steps.append(_step("fault", span, f"{window.fault}: {window.kind} on {window.target}"))
    untimed = witness.mono_ns is None or witness.missing_step == "stored"
    due = "" if untimed else f"by {since(life.origin_ns, witness.mono_ns)}"
    words = MISSING.get(witness.missing_step, witness.missing_step.replace("_", " "))
    steps.append(_step("missing", due, f"{witness.device or ''} {words}".strip()))
    return el("ol", *steps, class_="end")


def _unwanted(life: Life, witness: Witness) -> Html | None:
    steps = [
        _step("wrong", since(life.origin_ns, event.mono_ns), f"{who(event)} {describe(event, life)}")
        for event in unwanted(life, witness)
    ]
    return el("ol", *steps, class_="end") if steps else None


def _step(kind: str, moment: str, text: str) -> Html:
    return el(
        "li", el("span", f"{kind} ", el("span", moment, class_="moment")), el("b", text), class_=kind.replace(" ", "-")
    )


def _story(example: Example) -> Html:
    lines = example.story.splitlines()
    shown = lines[:STORY_LINES]
    if len(lines) > STORY_LINES:
        shown.append(f"… {len(lines) - STORY_LINES} more lines: chat-chaos trace {example.ids[0]}")
    text = join((_story_line(line) for line in shown), "\n")
    return el("details", el("summary", "its life in words"), el("pre", text, class_="story"), open=True)


def _story_line(line: str) -> Html:
    return el("span", line, class_="never") if line.startswith("- - -") else escape(line)


def _logs(example: Example, subject: Subject) -> Html | None:
    found = excerpts(subject.logs, example.moment_ns or 0, example.ids, LOG_LINES)
    if not found:
        return None
    blocks = join(_excerpt(one, example.ids, subject.origin_ns) for one in found)
    names = ", ".join(one.service for one in found)
    told = f"what {names} wrote within 2 s of {since(subject.origin_ns, example.moment_ns)}"
    return el("details", el("summary", told), blocks)


def _excerpt(excerpt: Excerpt, ids: Sequence[str], origin_ns: int) -> Html:
    left_out = excerpt.total - len(excerpt.lines)
    head = f"{excerpt.service}.log" + (f", {left_out} of {excerpt.total} lines left out" if left_out else "")
    lines = join((_log_line(line, ids, origin_ns) for line in excerpt.lines), "\n")
    return join([el("p", head, class_="dim"), el("pre", lines, class_="log")])


def _log_line(line: LogLine, ids: Sequence[str], origin_ns: int) -> Html:
    moment = f"{since(origin_ns, line.mono_ns):>10}  "
    text = join([moment, el("b", line.event), "  ", join(_highlighted(line.text, ids))])
    return el("span", text, class_="named") if line.names(ids) else text


def _highlighted(text: str, ids: Sequence[str]) -> Iterable[Html]:
    """Mark the ids; the longest first, since one may begin like another."""
    for one in sorted(ids, key=len, reverse=True):
        before, found, after = text.partition(one)
        if found:
            return [*_highlighted(before, ids), el("mark", one), *_highlighted(after, ids)]
    return [escape(text)]
