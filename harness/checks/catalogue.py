"""The checks that come with chat-chaos, read from their SQL files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from harness.core.errors import UsageError
from harness.core.stack import Promises

Severity = Literal["critical", "major", "minor"]

_HEADER = re.compile(r"--\s*(?P<key>[a-z]+):\s*(?P<value>.*\S)\s*")
_SECTIONS = ("applies", "given", "exercised", "undecided", "violations")
_KEYS = frozenset({"title", "promise", "needs", "subject", "severity", "minimum"})


@dataclass(frozen=True, slots=True)
class PromiseNeed:
    """Which promise a check judges against: a field of ``Promises``, and the values under which it holds.

    No ``field``: judged always. No ``values``: any declared value will do. A promise of
    several things is made when one of the values is among them.
    """

    field: str = ""
    values: tuple[str, ...] = ()

    def made_by(self, promises: Promises) -> bool:
        """Tell whether a stack promises it."""
        if not self.field:
            return True
        value = getattr(promises, self.field)
        several = value if isinstance(value, tuple) else (value,)
        return value is not None and (not self.values or not set(self.values).isdisjoint(several))

    def __str__(self) -> str:
        name = self.field.removesuffix("_s") or "always"
        return f"{name}: {' or '.join(self.values)}" if self.values else name


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, as SQL: ``violations`` finds what breaks it, ``exercised`` counts what met its antecedent.

    ``undecided`` counts what met the antecedent but cannot be judged for want of evidence; ``given`` makes temporary
    views that the others share. Where ``applies`` answers 0 the history has nothing that the check is about, and the
    others are spared. A check that ``reads`` logs has no SQL: it looks at files beside the history.
    """

    id: str
    title: str
    promise: PromiseNeed
    needs: tuple[str, ...]
    subject: str
    severity: Severity
    minimum: int = 1
    exercised: str = ""
    violations: str = ""
    undecided: str | None = None
    given: str | None = None
    applies: str | None = None
    reads: Literal["history", "logs"] = "history"

    @property
    def sql(self) -> str:
        """All that it asks."""
        parts = (self.applies, self.given, self.exercised, self.undecided, self.violations)
        return ";\n".join(part for part in parts if part)


NO_LEAKS = Check(
    id="no_leaks",
    title="No text and no credential shows in any log",
    promise=PromiseNeed(),
    needs=(),
    subject="service",
    severity="critical",
    reads="logs",
)
"""Carried out by ``harness.checks.leaks``."""


@cache
def checks() -> Mapping[str, Check]:
    """Return the checks that come with chat-chaos, by id."""
    files = resources.files("harness.checks").iterdir()
    texts = {Path(file.name).stem: file.read_text("utf-8") for file in files if file.name.endswith(".sql")}
    found = {name: parse_check(name, text) for name, text in texts.items()} | {NO_LEAKS.id: NO_LEAKS}
    return MappingProxyType({name: found[name] for name in sorted(found)})


def load_check(file: Path) -> Check:
    """Read a check of a user's own; its id is the file's name.

    Raises ``UsageError`` when the file cannot be read or is not laid out like a check.
    """
    try:
        return parse_check(file.stem, file.read_text("utf-8"))
    except OSError as problem:
        raise UsageError(f"cannot read the check {file}: {problem.strerror}") from problem


def parse_check(name: str, text: str) -> Check:
    """Read the text of a check file: header comments, then SQL under ``-- exercised`` and ``-- violations``.

    Raises ``UsageError`` naming what is missing or wrong.
    """
    header, sections = _split(name, text)
    missing = [key for key in ("title", "promise") if key not in header]
    missing += [f"-- {section}" for section in ("exercised", "violations") if not sections.get(section)]
    if missing:
        raise UsageError(f"check {name} lacks {', '.join(missing)}", hint=_LAYOUT)
    return Check(
        id=name,
        title=header["title"],
        promise=_promise(name, header["promise"]),
        needs=_listed(header.get("needs", "")),
        subject=header.get("subject", "service"),
        severity=_severity(name, header.get("severity", "major")),
        minimum=_minimum(name, header.get("minimum", "1")),
        exercised=sections["exercised"],
        violations=sections["violations"],
        undecided=sections.get("undecided"),
        given=sections.get("given"),
        applies=sections.get("applies"),
    )


_LAYOUT = "see harness/checks/no_duplicates.sql for the layout of a check"


def _split(name: str, text: str) -> tuple[dict[str, str], dict[str, str]]:
    header: dict[str, str] = {}
    bodies: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        marker = line.removeprefix("--").strip()
        if line.startswith("--") and marker in _SECTIONS:
            current = bodies.setdefault(marker, [])
        elif current is not None:
            current.append(line)
        elif found := _HEADER.fullmatch(line):
            header[found["key"]] = found["value"]
    if unknown := sorted(header.keys() - _KEYS):
        raise UsageError(
            f"check {name} has an unknown header {unknown[0]!r}", hint=f"known: {', '.join(sorted(_KEYS))}"
        )
    return header, {section: "\n".join(lines).strip().removesuffix(";") for section, lines in bodies.items()}


def _promise(name: str, text: str) -> PromiseNeed:
    field, _, values = text.partition("=")
    field = field.strip()
    if field == "always":
        return PromiseNeed()
    known = {one.removesuffix("_s"): one for one in Promises.__slots__}
    if field not in known:
        raise UsageError(f"check {name} judges an unknown promise {field!r}", hint=f"known: {', '.join(known)}, always")
    return PromiseNeed(known[field], _listed(values))


def _severity(name: str, text: str) -> Severity:
    if text not in {"critical", "major", "minor"}:
        raise UsageError(f"check {name} has severity {text!r}", hint="use critical, major or minor")
    return cast("Severity", text)


def _minimum(name: str, text: str) -> int:
    if not text.isdigit() or text == "0":
        raise UsageError(f"check {name} has minimum {text!r}", hint="use a whole number from 1")
    return int(text)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
