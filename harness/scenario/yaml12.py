"""YAML by the rules of the 1.2 core schema, with the place of every key and value.

PyYAML follows YAML 1.1, in which ``on`` is a boolean, ``1:30`` is ninety and the last of two equal keys wins without
a word. Here its C parser only delivers events; what they mean is decided below (YAML 1.2.2, section 10.3.2). Bounds on
depth, size and aliases make any file safe to read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 50
MAX_NODES = 20_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Data = str | int | float | bool | None | list["Data"] | dict[str, "Data"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule of YAML, or one of our bounds, that a text breaks."""

    place: Place
    code: str
    text: str
    hint: str = ""


@dataclass(slots=True)
class Node:
    """A value with its place, and for a container the places of its keys and its parts."""

    data: Data
    place: Place
    size: int = 1
    keys: dict[str, Place] = field(default_factory=dict)
    parts: dict[str | int, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text; ``root`` is None when it could not be understood at all."""

    root: Node | None
    problems: tuple[Problem, ...]

    @property
    def data(self) -> Data:
        """The document as plain data."""
        return self.root.data if self.root else None

    def place_of(self, path: Path, *, key: bool = False) -> Place:
        """Return the place of the value at ``path`` (of its key with ``key``), or of the nearest parent there is."""
        node, found = self.root, self.root.place if self.root else Place(1, 1)
        for depth, step in enumerate(path):
            if node is None or step not in node.parts:
                # What is missing belongs to the parent: its key is the best place to look at.
                return found
            is_last = depth == len(path) - 1
            key_place = node.keys.get(step, node.parts[step].place) if isinstance(step, str) else node.parts[step].place
            node = node.parts[step]
            found = node.place if is_last and not key else key_place
        return found


class _Stop(Exception):
    """Carries a problem out of the recursion."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def parse(text: str) -> Document:
    """Read one YAML document; every problem is returned, none is raised."""
    composer = _Composer(iter(yaml.parse(text, Loader=_LOADER)))
    try:
        return Document(composer.document(), tuple(composer.problems))
    except _Stop as stop:
        return Document(None, (*composer.problems, stop.problem))
    except yaml.YAMLError as error:
        return Document(None, (*composer.problems, _syntax(error, text)))


class _Composer:
    """Builds nodes from parser events."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self.problems: list[Problem] = []

    def document(self) -> Node | None:
        """Read the whole stream, which must hold one document."""
        self._take()  # the start of the stream
        if isinstance(self._take(), yaml.StreamEndEvent):
            return None
        root = self._node(self._take(), depth=0)
        self._take()  # the end of the document
        after = self._take()
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Stop(Problem(_place(after), "multiple-documents", "a file holds one document; a second starts here"))
        return root

    def _take(self) -> yaml.Event:
        return next(self._events)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _Stop(Problem(_place(event), "too-deep", f"nested deeper than {MAX_DEPTH} levels"))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._count(1, event)
        node = self._fresh(event, depth)
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = node
        return node

    def _fresh(self, event: yaml.Event, depth: int) -> Node:
        if (tag := getattr(event, "tag", None)) is not None:
            hint = "quotes make a text of anything: '010'"
            raise _Stop(Problem(_place(event), "tag", f"tags such as {_short(tag)} are not allowed", hint))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, depth)
        return Node(_scalar(event), _place(event))

    def _alias(self, event: yaml.AliasEvent) -> Node:
        name = str(event.anchor)
        known = self._anchors.get(name)
        if known is None:
            raise _Stop(Problem(_place(event), "alias", f"there is no finished anchor &{_short(name)} above"))
        self._count(known.size, event)
        return Node(known.data, _place(event), known.size, known.keys, known.parts)

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            text = f"more than {MAX_NODES} values, aliases written out"
            raise _Stop(Problem(_place(event), "too-many-values", text))

    def _sequence(self, start: yaml.Event, depth: int) -> Node:
        node = Node([], _place(start))
        while not isinstance(event := self._take(), yaml.SequenceEndEvent):
            part = self._node(event, depth + 1)
            node.parts[len(node.parts)] = part
            node.size += part.size
        node.data = [part.data for part in node.parts.values()]
        return node

    def _mapping(self, start: yaml.Event, depth: int) -> Node:
        node = Node({}, _place(start))
        merged: list[Node] = []
        while not isinstance(event := self._take(), yaml.MappingEndEvent):
            key = self._key(event, depth)
            part = self._node(self._take(), depth + 1)
            node.size += part.size
            if key == "<<" and getattr(event, "style", None) in {None, ""}:
                merged += self._merge_sources(part)
            elif key in node.keys:
                self._duplicate(key, event, node.keys[key])
            else:
                node.keys[key], node.parts[key] = _place(event), part
        _merge(node, merged)
        node.data = {str(name): part.data for name, part in node.parts.items()}
        return node

    def _merge_sources(self, part: Node) -> list[Node]:
        """``<<: *base`` and ``<<: [*one, *two]``: not core schema, but what people know from other files."""
        sources = list(part.parts.values()) if isinstance(part.data, list) else [part]
        if all(isinstance(source.data, dict) for source in sources):
            return sources
        self.problems.append(Problem(part.place, "merge", "'<<' takes a mapping or a list of mappings"))
        return []

    def _key(self, event: yaml.Event, depth: int) -> str:
        node = self._node(event, depth + 1)
        if isinstance(node.data, str):
            return node.data
        what = "a key must be text" if isinstance(node.data, list | dict) else f"the key {node.data} is not text"
        raise _Stop(Problem(_place(event), "key-not-text", what, "put the key in quotes"))

    def _duplicate(self, key: str, event: yaml.Event, first: Place) -> None:
        text = f"'{_short(key)}' is given twice: first on line {first.line}"
        self.problems.append(Problem(_place(event), "duplicate-key", text))


def _scalar(event: Any) -> Data:
    """Return what a scalar stands for: quoted text is text, plain text is looked at."""
    value = str(event.value)
    if not event.implicit[0]:
        return value
    return next((read(value) for pattern, read in _CORE if pattern.fullmatch(value)), value)


def _merge(node: Node, sources: list[Node]) -> None:
    """Own keys win, then those of earlier sources."""
    for source in sources:
        for name, part in source.parts.items():
            if isinstance(name, str) and name not in node.keys:
                node.keys[name], node.parts[name] = source.keys[name], part


_KEYWORDS: Mapping[str, Data] = {"true": True, "false": False}
_CORE: tuple[tuple[re.Pattern[str], Callable[[str], Data]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: _KEYWORDS[text.lower()]),
    # Longer digit strings are no quantities of ours, and int() refuses them from 4300 digits on.
    (re.compile(r"[-+]?[0-9]{1,300}"), int),
    (re.compile(r"0o[0-7]{1,300}"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,300}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"\+?\.(inf|Inf|INF)"), lambda _: math.inf),
    (re.compile(r"-\.(inf|Inf|INF)"), lambda _: -math.inf),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: math.nan),
)


def _place(event: yaml.Event) -> Place:
    return _at(event.start_mark)


def _at(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _syntax(error: yaml.YAMLError, text: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        said = f"a character that YAML does not allow: {error.reason}"
        return Problem(_place_at(text, error.position), "syntax", said)
    context, problem = getattr(error, "context", None), getattr(error, "problem", None)
    # What is never closed is mended where it was opened, not at the end of the file.
    never_closed = "end of stream" in str(problem)
    mark = getattr(error, "context_mark" if never_closed else "problem_mark", None)
    said = ", ".join(str(part) for part in (context, problem) if part)
    return Problem(_at(mark), "syntax", said or "not YAML", _syntax_hint(text, _at(mark)))


def _syntax_hint(text: str, place: Place) -> str:
    lines = split_lines(text)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: place.column]:
        return "indent with spaces, not with tabs"
    if re.search(r"(?<![\"'\w./])\$\{", line):
        return 'put a value with ${...} in quotes: "${matrix.x}"'
    return ""


def _place_at(text: str, position: int) -> Place:
    lines = split_lines(text[: max(0, position)])
    return Place(len(lines), len(lines[-1]) + 1)


def split_lines(text: str) -> list[str]:
    """Split where YAML's parser counts a line break."""
    return re.split("\r\n|[\n\r\x85\u2028\u2029]", text)


def _short(text: str) -> str:
    longest = 40
    return text if len(text) <= longest else f"{text[:longest]}..."
