"""The only place where text becomes HTML or SVG: whatever is not markup already is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# Control characters, and those that turn the direction of writing, could hide or reorder what a person reads.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_VOID = frozenset({"meta", "br", "rect", "line", "path", "circle"})

Attribute = str | int | float | bool | None


class Html(str):
    """Markup: text of this type goes into a page as it is."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return text as markup that shows it; characters that nobody would see are shown by their code."""
    if isinstance(text, Html):
        return text
    return Html(html.escape(_UNSEEN.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)))


def el(name: str, /, *children: str | None, **attributes: Attribute) -> Html:
    """Return one element; ``class_`` is ``class``, inner underscores are dashes, None and False are left out."""
    inside = "".join(escape(child) for child in children if child is not None)
    head = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    if name in _VOID and not inside:
        return Html(f"<{name}{head}>" if name in {"meta", "br"} else f"<{name}{head}/>")
    return Html(f"<{name}{head}>{inside}</{name}>")


def join(children: Iterable[str | None], between: str = "") -> Html:
    """Return several pieces as one."""
    return Html(escape(between).join(escape(child) for child in children if child is not None))


def number(value: float) -> str:
    """Return a coordinate as short as a tenth of a pixel allows."""
    return f"{value:.1f}".removesuffix(".0")


def _attribute(key: str, value: Attribute) -> str:
    name = key.removesuffix("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = number(value) if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'
