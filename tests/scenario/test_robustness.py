"""Whatever is in a file, the answer is a plan or a complaint."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.core.places import scenarios_folder
from harness.core.plan import ScenarioPlan
from harness.scenario.diagnostics import BadFile, Diagnostic
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack

TEXTS = [file.read_text() for file in sorted(scenarios_folder().glob("*.chaos.yaml"))]
STACK = Path(load_stack("reference").source).read_text()
PIECES = (
    *("{", "}", "[", "]", ":", "- ", "\n", "\n  ", '"', "'", "#", "&a ", "*a", "<<: *a", "!x ", "~", "null", "0", "-1"),
    *("1e999", "true", "${matrix.x}", "${", "${env.HOME}", "forever", "9" * 20, "\t", "\x00", "\ud7ff", "愛", "|", ">"),
    *("? ", "---\n", "...", "%", "@", "`", "client->", "->", "/", "alice", "bob/phone", "kind", "start", "for", "with"),
    *("after", "matrix", "people", "faults", "count: 9", "nth: 0", "[]", "{}", "{a: {b: [1]}}"),
)
"""What hurts YAML readers, validators and reference checks."""


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> str:
    """A good file with a few pieces cut out, doubled or replaced."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[draw(st.sampled_from([start, end])) :]
    return text


def _outcome(file: Path) -> tuple[Sequence[ScenarioPlan], Sequence[Diagnostic]]:
    try:
        return load_scenarios([file], env={}), ()
    except BadFile as error:
        return (), error.diagnostics


@settings(
    derandomize=True, max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mutated(TEXTS))
@example("version: 1\nfaults: {a: {kind: 1, start: {with: a}}}\nworkload: [{kind: [x]}]\npeople: {alice: {count: 0}}\n")
@example("matrix: {x: [1]}\npeople: ${matrix.x}\nworkload: '${matrix.x}'\n")
def test_scenarios(tmp_path: Path, text: str) -> None:
    """A mutated scenario never raises anything but a complaint with places."""
    file = tmp_path / "x.chaos.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    plans, mistakes = _outcome(file)
    assert bool(plans) != bool(mistakes)
    assert all(item.line >= 1 and item.column >= 1 and item.text for item in mistakes)


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated([STACK]))
def test_stacks(tmp_path: Path, text: str) -> None:
    """A mutated stack file never raises anything but a complaint."""
    file = tmp_path / "x.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(UsageError):
        load_stack(str(file))


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_bytes(tmp_path: Path, content: bytes) -> None:
    """No bytes at all are a scenario by accident."""
    file = tmp_path / "x.chaos.yaml"
    file.write_bytes(content)
    with pytest.raises(BadFile):
        load_scenarios([file])


def test_all_shipped_scenarios_load_at_once() -> None:
    """Loading is quick enough for every keystroke of an editor: far below a second even on a busy machine."""
    load_scenarios([scenarios_folder()])
    began = time.process_time()
    load_scenarios([scenarios_folder()])
    assert time.process_time() - began < 0.5
