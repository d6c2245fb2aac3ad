"""Reads everything that a report shows out of a run's folder, once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.checks.causes import Cause
from harness.core.errors import UsageError
from harness.core.events import Event
from harness.core.results import RunResult, Witness
from harness.core.stack import promises_from_data
from harness.engine.folder import RunFacts, RunFolder
from harness.engine.judge import judge_folder
from harness.faults.registry import kinds
from harness.history.ingest import open_history
from harness.history.trace import Life, render, trace
from harness.report.html.breakage import Broken, broken_promises
from harness.report.html.lanes import Scene
from harness.report.html.loglines import LogLine, read_logs
from harness.report.html.pace import Pace, pace_of
from harness.report.html.strip import Strip, strip_of
from harness.report.html.ways import last_sign, unwanted

if TYPE_CHECKING:
    from harness.history.ingest import History

MOST_EXAMPLES = 3
"""Causes of one broken promise that get a drawing; all are listed."""

_TITLE = re.compile(r"^title:\s*(['\"]?)(.+?)\1\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One violating message with its whole life; ``moment_ns`` is where its logs are worth reading."""

    cause: Cause
    life: Life | None
    story: str
    moment_ns: int | None
    ids: tuple[str, ...]
    scene: Scene


@dataclass(frozen=True, slots=True)
class Section:
    """One broken promise with an example for each of its first causes."""

    broken: Broken
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """All that a report shows; ``strip`` is None when nothing was recorded, ``pace`` without a crowd.

    ``rungs`` are the ladder's own records.
    """

    folder: Path
    title: str
    facts: RunFacts
    result: RunResult
    origin_ns: int = 0
    strip: Strip | None = None
    pace: Pace | None = None
    sections: tuple[Section, ...] = ()
    rungs: tuple[Event, ...] = ()
    logs: tuple[LogLine, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)


def read_subject(folder: Path) -> Subject:
    """Read a run's folder; one without results (the run was killed) is judged on the way.

    Raises ``UsageError`` when it is no run folder.
    """
    facts = RunFolder(folder).read_facts()
    if facts is None:
        raise UsageError(f"{folder} is no run folder: it has no run.json", hint="each run prints where its folder lies")
    result = _result(folder)
    subject = Subject(folder, _title(folder), facts, result, colours=_colours())
    if not result.counts.events:
        return subject
    with open_history([folder]) as history:
        return _told(history, subject)


def _told(history: History, subject: Subject) -> Subject:
    result = subject.result
    broken = broken_promises(history, result, subject.facts.recover_within_s, subject.facts.client)
    struck = [one for promise in broken for one in promise.struck]
    drafts = [[_draft(history, cause) for cause in one.causes[:MOST_EXAMPLES]] for one in broken]
    every = [draft for several in drafts for draft in several]
    moments = sorted({draft.moment_ns for draft in every if draft.moment_ns is not None})
    logs = read_logs(subject.folder / "logs", moments, sorted({one for draft in every for one in draft.ids}))
    world = _World(history, subject, logs)
    sections = tuple(
        Section(one, tuple(world.example(draft) for draft in several))
        for one, several in zip(broken, drafts, strict=True)
    )
    return Subject(
        folder=subject.folder,
        title=subject.title,
        facts=subject.facts,
        result=result,
        origin_ns=history.number("select origin_ns from run_times"),
        strip=strip_of(history, result.faults, struck, promises_from_data(result.promises).deliver_within_s),
        pace=pace_of(history, subject.folder, result.faults) if result.load else None,
        sections=sections,
        rungs=tuple(history.events("fault is not null and event like 'fault_%'")),
        logs=logs,
        colours=subject.colours,
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    cause: Cause
    life: Life | None
    moment_ns: int | None
    ids: tuple[str, ...]


def _draft(history: History, cause: Cause) -> _Draft:
    witness = cause.example
    life = _life(history, witness)
    sign = last_sign(life, witness) if life else None
    moment = witness.mono_ns if sign is None else sign.mono_ns
    ids = [witness.client_message_id, witness.message_id, *(life.message_ids if life else ())]
    return _Draft(cause, life, moment, tuple(dict.fromkeys(one for one in ids if one)))


def _life(history: History, witness: Witness) -> Life | None:
    """A witness may name no message, or (in a foreign history) one that several others begin like."""
    name = witness.client_message_id or witness.message_id
    try:
        return trace(history, name) if name else None
    except UsageError:
        return None


class _World:
    """What is the same for every example of a run."""

    def __init__(self, history: History, subject: Subject, logs: Sequence[LogLine]) -> None:
        self._history = history
        self._logs = logs
        self._links = dict(history.rows(_LINKS))
        read = history.number("select max(completed_ns) from oracle_status")
        self._read_ns = read or None
        self._faults = {fault.id: fault for fault in subject.result.faults}
        self._colours = subject.colours

    def example(self, draft: _Draft) -> Example:
        """Return a draft with all that surrounds it."""
        client_id = draft.life.client_message_id if draft.life else None
        audience = self._history.rows(_ADDRESSEES, [client_id, client_id])
        scene = Scene(
            links=self._links,
            audience=tuple(device for (device,) in audience),
            said=tuple(line for line in self._logs if line.names(draft.ids)),
            read_ns=self._read_ns,
            faults=self._faults,
            colours=self._colours,
        )
        story = _story(draft.life, draft.cause.example) if draft.life else ""
        return Example(draft.cause, draft.life, story, draft.moment_ns, draft.ids, scene)


def _story(life: Life, witness: Witness) -> str:
    """A step is dashed where it never came; one that came too early is there, and said to be wrong elsewhere."""
    return render(life, missing=None if unwanted(life, witness) else witness)


_ADDRESSEES = """
select device from audience where op = ? union select device from device_mail where client_message_id = ?
order by device
"""

# The edge over which a device's messages go: its log-ins may take another one.
_LINKS = """
select device, arg_max(link, mono_ns) from events
where device is not null and link is not null and event in ('connection_opened', 'client_send_started') group by device
"""


def _result(folder: Path) -> RunResult:
    try:
        return msgspec.json.decode((folder / "results.json").read_bytes(), type=RunResult)
    except (OSError, msgspec.DecodeError):
        return judge_folder(folder)


def _title(folder: Path) -> str:
    try:
        found = _TITLE.search((folder / "scenario.yaml").read_text("utf-8", "replace"))
    except OSError:
        return ""
    return found[2] if found else ""


def _colours() -> dict[str, str]:
    return {name: kind.colour for name, kind in kinds().items()}
