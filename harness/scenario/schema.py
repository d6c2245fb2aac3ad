"""The JSON Schema of scenario files, made from the models, for completion and checks in editors."""

from __future__ import annotations

import json
from typing import Any

from harness.faults.api import FaultKind, Param
from harness.scenario.model import ScenarioModel
from harness.scenario.targets import NAMED, known_keys
from harness.scenario.units import DURATION_PATTERN, OFFSET_PATTERN, PERCENT_PATTERN, RATE_PATTERN, SIZE_PATTERN
from harness.scenario.vocabulary import Vocabulary, installed

DIALECT = "http://json-schema.org/draft-07/schema#"
PLACEHOLDER_PATTERN = r"\$\{[^{}]+\}"

_TYPES: dict[str, dict[str, Any]] = {
    "duration": {"type": "string", "pattern": DURATION_PATTERN},
    "offset": {"type": "string", "pattern": OFFSET_PATTERN},
    "rate": {"type": "string", "pattern": RATE_PATTERN},
    "size": {"type": "string", "pattern": SIZE_PATTERN},
    "share": {"type": "string", "pattern": PERCENT_PATTERN},
    "integer": {"type": "integer"},
    "text": {"type": "string"},
    "device": {"type": "string", "pattern": "^[^/]+/[^/]+$"},
}


def json_schema(vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """Return the schema, with the fault kinds, checks, mutants and events of ``vocabulary`` (default: installed)."""
    words = vocabulary or installed()
    schema = ScenarioModel.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    definitions["FaultModel"] |= _fault(definitions["FaultModel"], words)
    definitions["StartModel"]["properties"]["after"] = _enum(words.events, definitions["StartModel"], "after")
    definitions["ExpectFaultModel"]["properties"]["must_see"]["items"] = {"enum": sorted(words.sights)}
    schema["properties"]["defects"]["items"] = {"enum": sorted(words.defects)}
    expect = definitions["ExpectModel"]["properties"]
    expect["checks"]["items"] = {"enum": sorted(words.checks)}
    expect["catches"]["propertyNames"] = {"enum": sorted({*words.mutants, *words.defects})}
    expect["catches"]["additionalProperties"] = {"enum": sorted(words.checks)}
    return document("chat-chaos scenario", _or_placeholder(schema))


def schema_text(vocabulary: Vocabulary | None = None) -> str:
    """Return the schema as the text of a file."""
    return as_text(json_schema(vocabulary))


def document(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema as a document of its own; its titles only repeat the keys and are left out."""
    return {"$schema": DIALECT, "title": title, **_untitled(schema)}


def as_text(schema: dict[str, Any]) -> str:
    """Return a schema as the text of a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _fault(definition: dict[str, Any], words: Vocabulary) -> dict[str, Any]:
    kinds = [words.kinds[name] for name in sorted(words.kinds)]
    listed = [{"const": kind.kind, "description": kind.summary} for kind in kinds]
    properties = definition["properties"] | {"kind": {"oneOf": listed}}
    return {"properties": properties, "allOf": [_of_kind(kind) for kind in kinds]}


def _of_kind(kind: FaultKind) -> dict[str, Any]:
    own = {name: _param(param) for name, param in kind.params.items()}
    shared: dict[str, Any] = dict.fromkeys(sorted(known_keys(kind)), True)
    required = [*({kind.targets} & NAMED), *(name for name, param in kind.params.items() if param.required)]
    return {
        "if": {"properties": {"kind": {"const": kind.kind}}, "required": ["kind"]},
        "then": {"properties": shared | own, "required": required, "additionalProperties": False},
    }


def _param(param: Param) -> dict[str, Any]:
    schema = _TYPES[param.type] | {"description": param.summary}
    if param.choices:
        schema |= {"enum": list(param.choices)}
    if param.type == "integer" and param.minimum is not None:
        schema |= {"minimum": param.minimum}
    return schema


def _enum(names: Any, definition: dict[str, Any], key: str) -> dict[str, Any]:
    return {"enum": sorted(names), "description": definition["properties"][key]["description"]}


def _untitled(node: Any) -> Any:
    """Drop the titles that pydantic makes of field names: they only repeat the key."""
    if isinstance(node, dict):
        return {name: _untitled(part) for name, part in node.items() if name != "title" or not isinstance(part, str)}
    return [_untitled(part) for part in node] if isinstance(node, list) else node


def _or_placeholder(node: Any, key: str = "") -> Any:
    """Allow ``${matrix.x}`` wherever a value has to look a certain way."""
    if isinstance(node, list):
        return [_or_placeholder(part) for part in node]
    if not isinstance(node, dict):
        return node
    constrained = "pattern" in node or "enum" in node or node.get("type") == "integer"
    if constrained and key not in {"propertyNames", "name", "items"}:
        description = {"description": node["description"]} if "description" in node else {}
        return {**description, "anyOf": [node, {"type": "string", "pattern": PLACEHOLDER_PATTERN}]}
    return {name: _or_placeholder(part, name) for name, part in node.items()}
