"""The JSON Schema of mapping files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.scenario.source import read_source

DOCS = Path(__file__).resolve().parents[2] / "docs"
SHIPPED = DOCS / "chat-chaos-mapping.schema.json"
EXAMPLE = DOCS / "examples" / "mapping.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema as it is shipped."""
    return dict(json.loads(SHIPPED.read_text()))


def test_the_shipped_schema_is_the_generated_one() -> None:
    """It is never edited by hand: ``chat-chaos schema --of mapping > docs/chat-chaos-mapping.schema.json``."""
    assert CliRunner().invoke(app, ["schema", "--of", "mapping"]).stdout == SHIPPED.read_text()


def test_every_key_of_the_example_is_in_it(schema: dict[str, Any]) -> None:
    """The fullest mapping file names the schema, and uses no key that the schema does not know."""
    text = EXAMPLE.read_text()
    assert text.startswith(f"# yaml-language-server: $schema=../{SHIPPED.name}\n")
    assert list(_unknown(read_source(EXAMPLE).data, schema, schema)) == []


def test_what_a_mapping_must_have_is_required(schema: dict[str, Any]) -> None:
    """As much as the file's reader asks for."""
    assert {"version", "name", "message", "send"} <= set(schema["required"])
    assert schema["additionalProperties"] is False
    assert {"message_id", "body"} <= set(schema["$defs"]["MessageModel"]["required"])


def _unknown(data: Any, part: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    """Return the keys of some data that its part of the schema does not have, as far as the schema looks into it."""
    found: list[str] = []
    for one in _shapes(part, whole):
        if isinstance(data, dict) and "properties" in one:
            found += [key for key in data if key not in one["properties"]]
            for key, value in data.items():
                found += _unknown(value, one["properties"].get(key, {}), whole)
    return found


def _shapes(part: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    options = [part, *part.get("anyOf", [])]
    return [whole["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in options]
