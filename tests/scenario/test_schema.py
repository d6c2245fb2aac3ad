"""The JSON Schema that editors use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.core.places import scenarios_folder
from harness.scenario.schema import json_schema, schema_text
from harness.scenario.vocabulary import installed

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "docs" / "chat-chaos.schema.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema as it is generated now."""
    return json_schema()


def test_the_shipped_schema_is_the_generated_one() -> None:
    """docs/chat-chaos.schema.json is never edited by hand: ``chat-chaos schema > docs/chat-chaos.schema.json``."""
    assert SHIPPED.read_text() == schema_text()


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    """Each ``$ref`` names a definition that is there."""
    names = set(re.findall(r'"#/\$defs/(\w+)"', schema_text()))
    assert names
    assert names <= set(schema["$defs"])


def test_names_come_from_the_registries(schema: dict[str, Any]) -> None:
    """Editors complete fault kinds, checks, mutants and events."""
    words = installed()
    kinds = [option["const"] for option in schema["$defs"]["FaultModel"]["properties"]["kind"]["oneOf"]]
    assert kinds == sorted(words.kinds)
    expect = schema["$defs"]["ExpectModel"]["properties"]
    assert expect["checks"]["items"]["enum"] == sorted(words.checks)
    assert expect["catches"]["propertyNames"]["enum"] == sorted({*words.mutants, *words.defects})


def test_each_kind_of_fault_has_its_own_keys(schema: dict[str, Any]) -> None:
    """What a kind needs is required, what it does not know is refused."""
    rules = {rule["if"]["properties"]["kind"]["const"]: rule["then"] for rule in schema["$defs"]["FaultModel"]["allOf"]}
    assert set(rules["network.latency"]["required"]) == {"link", "latency"}
    assert "service" not in rules["network.latency"]["properties"]
    assert "for" not in rules["process.kill"]["properties"]
    assert "restart_after" in rules["process.kill"]["properties"]
    assert not rules["network.down"]["additionalProperties"]


def test_placeholders_are_allowed_where_values_have_a_form(schema: dict[str, Any]) -> None:
    """A duration may be ``${matrix.x}`` for an editor, too; the name of a scenario may not."""
    rate = schema["$defs"]["DirectModel"]["properties"]["rate"]
    assert any(re.search(option["pattern"], "${matrix.rate}/s") for option in rate["anyOf"])
    assert "anyOf" not in schema["properties"]["name"]


def test_every_shipped_scenario_names_the_schema() -> None:
    """The first line lets editors find the schema, by a path that is right."""
    for file in scenarios_folder().glob("*.chaos.yaml"):
        first = file.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (file.parent / first.partition("=")[2]).resolve() == SHIPPED
