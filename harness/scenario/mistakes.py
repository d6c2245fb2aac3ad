"""From what pydantic found wrong to a place in the file and a sentence for its author."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.scenario.diagnostics import Diagnostic, did_you_mean
from harness.scenario.units import quoted
from harness.scenario.yaml12 import Data, Document, Path, split_lines


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong with the value at ``path``, or with its key."""

    path: Path
    code: str
    text: str
    suggestion: str = ""
    on_key: bool = False


def located(mistakes: Iterable[Mistake], document: Document, file: str, text: str) -> list[Diagnostic]:
    """Give each mistake its place, in the order of the file, equal ones once."""
    lines = split_lines(text)
    found = set()
    for item in mistakes:
        place = document.place_of(item.path, key=item.on_key)
        excerpt = lines[place.line - 1] if place.line <= len(lines) else ""
        found.add(Diagnostic(file, place.line, place.column, item.code, item.text, item.suggestion, excerpt))
    return sorted(found, key=lambda one: (one.line, one.column, one.code, one.text))


def mistakes_of(error: ValidationError, model: type[BaseModel], data: Data) -> list[Mistake]:
    """Translate every error of a validation of ``data`` against ``model``."""
    return [_mistake(details, model, data) for details in error.errors(include_url=False)]


def _mistake(details: ErrorDetails, model: type[BaseModel], data: Data) -> Mistake:
    path = _path(details["loc"], data)
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        suggestion = did_you_mean(str(path[-1]), _fields_at(model, path[:-1], data))
        return Mistake(
            path, "unknown-key", f"unknown key {quoted(path[-1])}{_inside(path[:-1])}", suggestion, on_key=True
        )
    if kind in {"missing", "union_tag_not_found"}:
        name = "kind" if kind == "union_tag_not_found" else details["loc"][-1]
        return Mistake((*path, name), "missing-key", f"'{name}' is missing{_inside(path)}")
    if kind == "union_tag_invalid":
        known = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        tag = str(context["tag"])
        return Mistake((*path, "kind"), "unknown-name", f"unknown kind {quoted(tag)}", did_you_mean(tag, known))
    if kind == "literal_error":
        return _not_one_of(path, details["input"], context)
    on_key = details["loc"][-1:] == ("[key]",)
    return Mistake(path, _code(kind), _sentence(details), on_key=on_key)


def _path(loc: tuple[int | str, ...], data: Data) -> Path:
    """Keep those steps that lead on in the data: tags of unions and ``[key]`` do not."""
    path: list[int | str] = []
    node: Any = data
    for step in loc:
        if _leads_on(node, step):
            path.append(step)
            node = node[step]
    return tuple(path)


def _leads_on(node: object, step: str | int) -> bool:
    """Tell whether data has something at a step of a path."""
    if isinstance(node, list):
        return isinstance(step, int) and 0 <= step < len(node)
    return isinstance(node, dict) and step in node


def _inside(path: Path) -> str:
    return f" in {dotted(path)}" if path else ""


def dotted(path: Path) -> str:
    """Return a path as people write it, entries of a list counted from 1: ``workload 2``, ``faults.cut.start``."""
    text = ""
    for step in path:
        text += f" {step + 1}" if isinstance(step, int) else f".{step}"
    return text.strip(" .")


def _not_one_of(path: Path, value: object, context: Mapping[str, Any]) -> Mistake:
    expected = str(context["expected"])
    known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    suggestion = did_you_mean(value, known) if isinstance(value, str) and len(known) > 1 else ""
    return Mistake(path, "bad-value", f"{quoted(value)} is not possible here: write {expected}", suggestion)


def _code(kind: str) -> str:
    if kind == "string_pattern_mismatch":
        return "bad-name"
    return "wrong-type" if kind.endswith("_type") else "bad-value"


_NOUNS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _sentence(details: ErrorDetails) -> str:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind in _NOUNS:
        return f"expected {_NOUNS[kind]}, not {_what(value)}"
    sentences = {
        "value_error": str(context.get("error")),
        "string_pattern_mismatch": f"{quoted(value)} is not a name: up to 63 of a-z, 0-9, '-' and '_'",
        "greater_than_equal": f"{quoted(value)} is too small: at least {context.get('ge')}",
        "less_than_equal": f"{quoted(value)} is too big: at most {context.get('le')}",
        "too_short": "this must not be empty",
    }
    return sentences.get(kind, f"{quoted(value)} is wrong: {details['msg'].lower()}")


def _what(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return str(value).lower() if isinstance(value, bool) else quoted(value)


def _fields_at(model: type[BaseModel], path: Path, data: Data) -> list[str]:
    """Return the keys that the mapping at ``path`` may have."""
    shape: Any = model
    node: Any = data
    for step in path:
        node = node[step]
        shape = _chosen(_step(shape, step), node)
    return [field.alias or name for name, field in shape.model_fields.items()]


def _step(shape: Any, step: str | int) -> Any:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        fields = {field.alias or name: field for name, field in shape.model_fields.items()}
        return fields[str(step)].annotation
    return get_args(shape)[-1]


def _chosen(shape: Any, node: Any) -> Any:
    """Strip ``Annotated`` and ``None``; of several models take the one whose ``kind`` the data has."""
    while get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    if get_origin(shape) not in {Union, UnionType}:
        return shape
    options = [_chosen(option, node) for option in get_args(shape) if option is not NoneType]
    tagged = [option for option in options if _has_kind(option, node)]
    return (tagged or options)[0]


def _has_kind(option: Any, node: Any) -> bool:
    kind = getattr(option, "model_fields", {}).get("kind")
    if kind is None or get_origin(kind.annotation) is not Literal or not isinstance(node, dict):
        return False
    return node.get("kind") in get_args(kind.annotation)
