"""Field paths: where in a decoded frame a value lies, as in ``data.items[0].id``.

Names are joined by dots, entries of a list are counted from 0 (``[-1]`` is the last), ``["a.b"]`` is a name with a dot
in it, ``.`` is the whole frame. A question mark at the end says that the value may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

Step = str | int

_STEP = re.compile(r"""\[(-?[0-9]{1,6})\]|\["([^"]+)"\]|(\.)?([^.\[\]?"\s]+)""")
_MANY = 12


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Stands for a value that is not there; null counts as not there."""


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A parsed path; ``text`` is how it was written, without the question mark."""

    text: str
    steps: tuple[Step, ...]
    optional: bool = False

    def find(self, frame: Any) -> Any:
        """Return the value at the path, or ``MISSING``."""
        node = frame
        for step in self.steps:
            node = _step(node, step)
        return MISSING if node is None else node

    def near(self, frame: Any) -> str:
        """Return the question whether another field was meant, empty when there is none like it."""
        node = frame
        for step in self.steps:
            after = _step(node, step)
            if after is MISSING or after is None:
                return _near(step, node).removeprefix("; ")
            node = after
        return ""

    def trouble(self, frame: Any) -> str:
        """Say what is missing: the first step that leads nowhere, what there is instead, and the nearest name."""
        node, gone = frame, ""
        for step in self.steps:
            after = _step(node, step)
            if after is MISSING or after is None:
                return f"`{self.text}` is missing: {gone or 'it'} {_holds(node)}{_near(step, node)}"
            node, gone = after, f"`{_joined(gone.strip('`'), step)}`"
        return f"`{self.text}` is missing"


def parse_path(text: object) -> FieldPath:
    """Read a path; raises ``ValueError`` for a text that is none."""
    if not isinstance(text, str) or not text:
        raise ValueError("expected the path of a field, as in data.id or items[0].id")
    optional, written = text.endswith("?"), text.removesuffix("?")
    if written == ".":
        return FieldPath(written, (), optional)
    steps: list[Step] = []
    at = 0
    while at < len(written):
        found = _STEP.match(written, at)
        if found is None or (found[4] is not None and (found[3] is not None) != (at > 0)):
            raise ValueError(f"'{text}' is not the path of a field: write it as data.id or items[0].id")
        steps.append(int(found[1]) if found[1] is not None else found[2] or found[4])
        at = found.end()
    return FieldPath(written, tuple(steps), optional)


def shape(frame: Any) -> str:
    """Say which fields a frame has, never their values."""
    return f"it {_holds(frame)}"


def _step(node: Any, step: Step) -> Any:
    if isinstance(node, dict):
        return node.get(str(step), MISSING)
    if isinstance(node, list) and isinstance(step, int) and -len(node) <= step < len(node):
        return node[step]
    return MISSING


def _holds(node: Any) -> str:
    if isinstance(node, dict):
        names = [str(name) for name in node]
        shown = ", ".join(names[:_MANY]) + (" …" if len(names) > _MANY else "")
        return f"has the fields {shown}" if names else "has no fields"
    if isinstance(node, list):
        return f"is a list of {len(node)}"
    return f"is {_noun(node)}"


def _noun(node: Any) -> str:
    if isinstance(node, bool):
        return "true or false"
    return "a text" if isinstance(node, str) else "a number" if isinstance(node, int | float) else "nothing"


def _near(step: Step, node: Any) -> str:
    if not isinstance(node, dict):
        return ""
    close: Sequence[str] = get_close_matches(str(step), [str(name) for name in node], n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _joined(before: str, step: Step) -> str:
    if isinstance(step, int):
        return f"{before}[{step}]"
    return f"{before}.{step}" if before else step
