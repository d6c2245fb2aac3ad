"""Whatever is in a file, the answer is a plan or a complaint."""

from __future__ import annotations

import copy
import io
import json
import os
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.cli.boundary import exit_code_of
from harness.cli.explain import explain
from harness.core.places import scenarios_folder
from harness.core.verdicts import EXIT_USAGE
from harness.scenario.diagnostics import BadFile
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack
from harness.scenario.yaml12 import parse

FILES = int(os.environ.get("CHAT_CHAOS_FUZZ_FILES", "200"))
"""How many files are mutated, half of them scenarios and half of them stacks; many more find new ones each time."""
FEW = FILES <= 200
TEXTS = [file.read_text() for file in sorted(scenarios_folder().glob("*.chaos.yaml"))]
STACK = Path(load_stack("reference").source).read_text()
ON_THE_STACK = TEXTS[0].replace("stack: reference", "stack: x.yaml")
PIECES = (
    *("{", "}", "[", "]", ":", "- ", "\n", "\n  ", '"', "'", "#", "&a ", "*a", "<<: *a", "!x ", "~", "null", "0", "-1"),
    *("1e999", "true", "${matrix.x}", "${", "${env.HOME}", "forever", "9" * 20, "\t", "\x00", "\ud7ff", "愛", "|", ">"),
    *("? ", "---\n", "...", "%", "@", "`", "client->", "->", "/", "alice", "bob/phone", "kind", "start", "for", "with"),
    *("after", "matrix", "people", "faults", "count: 9", "nth: 0", "[]", "{}", "{a: {b: [1]}}"),
)
"""What hurts YAML readers, validators and reference checks."""
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1,
        10**400,
        0.5,
        float("inf"),
        float("nan"),
        "",
        " ",
        "a",
        "alice",
        "alice/",
        "/",
        "bob/phone",
    ),
    *("client->chat", "client:alice->chat", "client:/->chat", "client:alice/phone->auth", "->", "${matrix.a}", "${x}"),
    *("1s", "-1s", "5%", "5/s", "64KiB", "direct", "group", "offline", "naive", "network.down", "token.expire"),
    *("push.reject", "clock.device", "rate_limit.lower", "forever", "faketime", [], {}, [[]], [{}], {"a": {}}, ["a"]),
)
"""What does not belong where it is put, or only just."""
KEYS = (
    "kind",
    "at",
    "with",
    "for",
    "device",
    "provider",
    "members",
    "joins",
    "push",
    "count",
    "slo",
    "matrix",
    "a",
    "",
)


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> bytes:
    """A good file with a few pieces of its text, or a few of its values, cut out, doubled or replaced."""
    text = draw(st.sampled_from(texts))
    if draw(st.booleans()):
        return _mutated_data(draw, parse(text).data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[draw(st.sampled_from([start, end])) :]
    return text.encode("utf-8", "surrogatepass")


def _mutated_data(draw: st.DrawFn, data: Any) -> bytes:
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(data))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["replace", "remove", "copy", "rename"]))
        other, its = draw(st.sampled_from(places))
        if change == "remove":
            del holder[key]
        elif change == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from(KEYS))] = holder.pop(key)
        elif change == "copy":
            holder[key] = copy.deepcopy(other[its])
        else:
            holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    return json.dumps(data).encode()


def _places(node: Any) -> Any:
    """Yield every container of a document with each key or index in it."""
    parts = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, part in parts:
        yield node, key
        yield from _places(part)


def _explained(file: Path) -> None:
    """A file is explained, or complained about at its places; nothing else ever happens."""
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told):
        code = exit_code_of(lambda: explain(file))
    assert code in {0, EXIT_USAGE}, told.getvalue()
    assert "Traceback" not in told.getvalue()
    assert said.getvalue() if code == 0 else told.getvalue()


many = settings(
    derandomize=FEW,
    max_examples=FILES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.timeout(0 if not FEW else 60)
@many
@given(mutated(TEXTS))
@example(
    b"version: 1\nfaults: {a: {kind: 1, start: {with: a}}}\nworkload: [{kind: [x]}]\npeople: {alice: {count: 0}}\n"
)
@example(b"matrix: {x: [1]}\npeople: ${matrix.x}\nworkload: '${matrix.x}'\n")
def test_scenarios(tmp_path: Path, content: bytes) -> None:
    """A mutated scenario is explained, or refused with places and exit code 2."""
    file = tmp_path / "x.chaos.yaml"
    file.write_bytes(content)
    _explained(file)


@pytest.mark.timeout(0 if not FEW else 60)
@many
@given(mutated([STACK]))
def test_stacks(tmp_path: Path, content: bytes) -> None:
    """A scenario on a mutated stack is explained, or refused with places and exit code 2."""
    (tmp_path / "x.yaml").write_bytes(content)
    file = tmp_path / "on.chaos.yaml"
    file.write_text(ON_THE_STACK)
    _explained(file)


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
