"""What is wrong with a file, where, and what to write instead: as text, JSON or GitHub annotations."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches

from harness.core.errors import UsageError

EXCERPT_WIDTH = 120
_LEAD = 80
"""How much of a long line is shown before the caret."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake at one place; ``line`` and ``column`` count from 1, ``excerpt`` is the source line."""

    file: str
    line: int
    column: int
    code: str
    text: str
    suggestion: str = ""
    excerpt: str = ""


class BadFile(UsageError):
    """One or more files are wrong: correct each place that is listed; nothing was run."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(render_text(diagnostics))
        self.diagnostics = tuple(diagnostics)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return ``did you mean 'x'?`` for a near miss, the known words when they are few, else nothing."""
    folded = {name.lower(): name for name in sorted(known, reverse=True)}
    close = get_close_matches(word.lower()[:100], folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{folded[close[0]]}'?"
    few = 12
    return f"known: {', '.join(sorted(known))}" if 0 < len(known) <= few else ""


def render_text(diagnostics: Sequence[Diagnostic]) -> str:
    """Return all diagnostics for a terminal: place, code, sentence, source line, caret, suggestion."""
    return "\n".join(_render_one(item) for item in diagnostics)


def render_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return one JSON document for editors and scripts."""
    return json.dumps({"v": 1, "diagnostics": [asdict(item) for item in diagnostics]}, indent=2, ensure_ascii=False)


def render_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Return workflow commands that annotate the lines of a pull request.

    Escapes as the GitHub Actions runner decodes them: ``%``, CR and LF in the message, also ``:`` and ``,`` in
    properties.
    """
    return "\n".join(_github_line(item) for item in diagnostics)


def _render_one(item: Diagnostic) -> str:
    lines = [f"{item.file}:{item.line}:{item.column}: error[{item.code}]: {item.text}"]
    if item.excerpt.strip():
        lines += [f"    {line}" for line in _excerpt(item.excerpt, item.column)]
    if item.suggestion:
        lines.append(f"  {item.suggestion}")
    return "\n".join(lines)


def _excerpt(source: str, column: int) -> tuple[str, str]:
    """Return the part of a line around a column and the line with the caret under it."""
    start = max(0, column - 1 - _LEAD) if len(source) > EXCERPT_WIDTH else 0
    shown = "".join(_visible(char) for char in source[start : start + EXCERPT_WIDTH])
    before = shown[: column - 1 - start]
    return shown.rstrip(), f"{''.join(_blank(char) for char in before)}^"


def _visible(char: str) -> str:
    """A control character of the file must not reach the terminal."""
    return char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _blank(char: str) -> str:
    if char == "\t":
        return "\t"
    if unicodedata.combining(char):
        return ""
    return "  " if unicodedata.east_asian_width(char) in {"W", "F"} else " "


def _github_line(item: Diagnostic) -> str:
    text = f"{item.text}\n{item.suggestion}" if item.suggestion else item.text
    places = {"file": item.file, "line": item.line, "col": item.column, "title": item.code}
    properties = ",".join(f"{name}={_github_property(str(value))}" for name, value in places.items())
    return f"::error {properties}::{_github_data(text)}"


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")
