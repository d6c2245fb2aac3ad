"""What the client sends: JSON, form fields, addresses and headers with ``${placeholders}`` in them.

A text that is nothing but one placeholder becomes its value as it is (a number stays a number); within a longer text
values are written out. ``${name:int}`` and ``${name:text}`` turn one kind into the other. What there is no value for is
null in JSON and nothing in a text; ``${name?}`` leaves the whole field out instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from harness.core.errors import EnvironmentFault

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
ENV = "env."
_INNER = re.compile(r"(?P<name>[A-Za-z0-9_.]+)(?P<optional>\?)?(?::(?P<turn>[a-z]+))?")

Values = Mapping[str, Any]
TURNS: Mapping[str, Callable[[Any], Any]] = {"int": int, "text": str}


class _LeftOut:
    pass


LEFT_OUT: Final = _LeftOut()
"""Stands for a field that is not written at all."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``${name}`` of a template."""

    name: str
    optional: bool = False
    turn: str | None = None

    def value(self, values: Values) -> Any:
        """Return what it stands for, None for nothing."""
        found = _environment(self.name) if self.name.startswith(ENV) else values.get(self.name)
        if found is None or self.turn is None:
            return found
        try:
            return TURNS[self.turn](found)
        except ValueError:
            raise EnvironmentFault(
                f"${{{self.name}:{self.turn}}} of the mapping stands for something that is no whole number",
                hint=f"write ${{{self.name}}} instead",
            ) from None


def parse_placeholder(inner: str) -> Placeholder:
    """Read what stands between the braces; raises ``ValueError`` for what is no placeholder."""
    found = _INNER.fullmatch(inner)
    if found is None or (found["turn"] or "text") not in TURNS:
        raise ValueError(f"'${{{inner}}}' is not a placeholder: write ${{name}}, ${{name?}}, ${{name:int}} or :text")
    return Placeholder(found["name"], found["optional"] is not None, found["turn"])


def render(template: Any, values: Values) -> Any:
    """Fill in a template of any depth; ``LEFT_OUT`` when the whole of it is to be left out."""
    if isinstance(template, str):
        return _text(template, values)
    if isinstance(template, dict):
        return {key: made for key, part in template.items() if (made := render(part, values)) is not LEFT_OUT}
    if isinstance(template, list):
        return [made for part in template if (made := render(part, values)) is not LEFT_OUT]
    return template


def render_fields(template: Mapping[str, Any], values: Values) -> dict[str, str]:
    """Fill in headers, query parameters or form fields: every value is a text."""
    return {key: written(value) for key, value in render(dict(template), values).items() if value is not None}


def render_url(template: str, values: Values, *, bases: frozenset[str]) -> str:
    """Fill in an address: what is not one of its ``bases`` is quoted, so that it stays one part of the path."""

    def fill(match: re.Match[str]) -> str:
        one = parse_placeholder(match[1])
        text = written(one.value(values))
        return text if one.name in bases else quote(text, safe="")

    return PLACEHOLDER.sub(fill, template)


def placeholders(template: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what stands between each pair of braces, with the place of the text that it is in."""
    if isinstance(template, str):
        yield from ((path, inner) for inner in PLACEHOLDER.findall(template))
    elif isinstance(template, dict):
        for key, part in template.items():
            yield from placeholders(part, (*path, key))
    elif isinstance(template, list):
        for index, part in enumerate(template):
            yield from placeholders(part, (*path, index))


def written(value: Any) -> str:
    """Write a scalar as text, as forms and addresses have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text(template: str, values: Values) -> Any:
    alone = PLACEHOLDER.fullmatch(template)
    if alone is not None:
        one = parse_placeholder(alone[1])
        value = one.value(values)
        return LEFT_OUT if value is None and one.optional else value
    return PLACEHOLDER.sub(lambda match: written(parse_placeholder(match[1]).value(values)), template)


def _environment(name: str) -> str:
    variable = name.removeprefix(ENV)
    found = os.environ.get(variable)
    if found is None:
        raise EnvironmentFault(f"the mapping needs the environment variable {variable}", hint=f"set {variable}")
    return found
