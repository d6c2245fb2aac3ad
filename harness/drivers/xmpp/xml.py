"""Elements of a stream, and an incremental parser that takes no more from a stranger than a stream may hold.

RFC 6120, 11.1: no comments, processing instructions, internal or external DTD subsets, entity references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

CLIENT = "jabber:client"
STREAMS = "http://etherx.jabber.org/streams"
LARGEST = 1 << 20
"""Bytes of one stanza."""
DEEPEST = 64
_SEPARATOR = " "
_MEANS_SOMETHING = re.compile(r"[&<>\"\t\n\r]").search


class BadStream(Exception):
    """What came is not a stream; the text is an error code."""


@dataclass(slots=True)
class Element:
    """An element with its own text; ``attrs`` have no namespace."""

    name: str
    ns: str = CLIENT
    attrs: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, name: str, ns: str = CLIENT) -> Iterator[Element]:
        """Children of that name."""
        return (child for child in self.children if child.name == name and child.ns == ns)

    def child(self, name: str, ns: str = CLIENT) -> Element | None:
        """The first child of that name."""
        for child in self.children:
            if child.name == name and child.ns == ns:
                return child
        return None

    def words(self, name: str, ns: str = CLIENT) -> str | None:
        """The text of the first child of that name."""
        found = self.child(name, ns)
        return None if found is None else found.text

    def get(self, attribute: str) -> str:
        """An attribute, empty where it is absent."""
        return self.attrs.get(attribute, "")

    def render(self, within: str = CLIENT) -> str:
        """As XML inside an element of the namespace ``within``."""
        opening = self.name if self.ns == within else f"{self.name} xmlns={_quoted(self.ns)}"
        for name, value in self.attrs.items():
            opening += f" {name}={_quoted(value)}"
        inner = escape(self.text) if self.text else ""
        for child in self.children:
            inner += child.render(self.ns)
        return f"<{opening}>{inner}</{self.name}>" if inner else f"<{opening}/>"


class Parser:
    """Turns the bytes of one stream into its first-level elements."""

    def __init__(self, *, largest: int = LARGEST, deepest: int = DEEPEST) -> None:
        self.header: dict[str, str] | None = None
        self.closed = False
        self.broken: BadStream | None = None
        self._largest = largest
        self._deepest = deepest
        self._open: list[Element] = []
        self._whole: list[Element] = []
        self._pending = 0
        self._expat = self._make()

    def feed(self, data: bytes) -> list[Element]:
        """Take bytes; return the elements that they completed. Raises ``BadStream``.

        Where something whole came before what is wrong, that is returned, and ``broken`` says what will be raised.
        """
        if self.broken is not None:
            raise self.broken
        self._whole = []
        self._pending += len(data)
        try:
            self._expat.Parse(data, False)  # noqa: FBT003 - pyexpat takes it by place
        except expat.ExpatError:
            self.broken = BadStream("not_well_formed")
        except BadStream as bad:
            self.broken = bad
        if self._pending > self._largest:
            self.broken = BadStream("stanza_too_large")
        if self.broken is not None and not self._whole:
            raise self.broken
        return self._whole

    def _make(self) -> Any:
        made = expat.ParserCreate(namespace_separator=_SEPARATOR)
        made.buffer_text = True
        made.StartElementHandler = self._start
        made.EndElementHandler = self._end
        made.CharacterDataHandler = self._characters
        for handler in ("StartDoctypeDeclHandler", "EntityDeclHandler", "ProcessingInstructionHandler"):
            setattr(made, handler, _refuse)
        made.CommentHandler = _refuse
        return made

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        ns, _, local = name.rpartition(_SEPARATOR)
        if self.header is None:
            if (ns, local) != (STREAMS, "stream"):
                raise BadStream("no_stream")
            self.header = attrs
            self._pending = 0
            return
        if len(self._open) >= self._deepest:
            raise BadStream("stanza_too_deep")
        element = Element(local, ns, attrs)
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        if not self._open:
            self.closed = True
            return
        element = self._open.pop()
        if not self._open:
            self._whole.append(element)
            self._pending = 0

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text


def _quoted(value: str) -> str:
    """A value of an attribute; most have nothing in them that means something in XML."""
    return quoteattr(value) if _MEANS_SOMETHING(value) else f'"{value}"'


def _refuse(*_: object) -> None:
    raise BadStream("restricted_xml")
