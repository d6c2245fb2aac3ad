"""Reading a file into a document: bytes to text to YAML, each with its own kind of mistake."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError
from harness.scenario.diagnostics import BadFile, Diagnostic
from harness.scenario.mistakes import Mistake, located
from harness.scenario.yaml12 import Data, Document, parse, split_lines

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One file that is a YAML mapping; ``problems`` are mistakes that did not keep it from being read."""

    file: str
    text: str
    document: Document
    data: Mapping[str, Data]
    problems: tuple[Diagnostic, ...] = ()

    def locate(self, mistakes: list[Mistake] | tuple[Mistake, ...]) -> list[Diagnostic]:
        """Give mistakes their places in this file."""
        return located(mistakes, self.document, self.file, self.text)


def read_source(path: Path) -> Source:
    """Read a scenario or stack file.

    Raises ``BadFile`` when it is not UTF-8, too large or no YAML mapping, ``UsageError`` when it cannot be opened.
    """
    return parse_source(path.as_posix(), _bytes(path))


def parse_source(file: str, content: bytes) -> Source:
    """Parse a file's content; ``file`` is its name in messages. Raises ``BadFile``."""
    text = _decoded(file, content)
    document = parse(text)
    lines = split_lines(text)
    problems = tuple(
        Diagnostic(
            file,
            item.place.line,
            item.place.column,
            item.code,
            item.text,
            item.hint,
            lines[item.place.line - 1] if item.place.line <= len(lines) else "",
        )
        for item in document.problems
    )
    if isinstance(document.data, dict):
        return Source(file, text, document, document.data, problems)
    if problems:
        raise BadFile(problems)
    what = "the file is empty" if document.data is None else "a file is a mapping of keys to values"
    raise BadFile(located([Mistake((), "wrong-type", what, "start with 'version: 1'")], document, file, text))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{path}: {os.strerror(error.errno or 0)}", hint="check the path and its permissions"
        ) from None
    if len(content) > MAX_BYTES:
        raise BadFile([Diagnostic(path.as_posix(), 1, 1, "too-large", f"larger than {MAX_BYTES // 1024} KiB")])
    return content


def _decoded(file: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = split_lines(content[: error.start].decode("utf-8", "replace"))
        text = f"byte 0x{content[error.start]:02x} is not UTF-8"
        place = len(before), len(before[-1]) + 1
        raise BadFile([Diagnostic(file, *place, "not-utf8", text, "save the file as UTF-8")]) from None
