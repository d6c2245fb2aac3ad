"""Arrows between the layers, and what may be loaded when."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MIDDLE = {
    "scenario": {"faults", "checks", "reference.mutants", "drivers", "providers", "workloads"},
    "history": set(),
    "proxy": set(),
    "drivers": {"history", *(f"scenario.{part}" for part in ("diagnostics", "fields", "mistakes", "source"))},
    "providers": {"history", "proxy", "drivers.xmpp.xml"},
    "stacks": {"proxy", "providers"},
    "faults": {"proxy", "stacks"},
    "workloads": set(),
    "checks": {"history"},
}
LOWER = {"core", *MIDDLE}
ALLOWED = {
    "core": set(),
    **{name: {"core", *sideways} for name, sideways in MIDDLE.items()},
    "swarm": LOWER,
    "engine": LOWER | {"swarm", "reference.mutants"},
    "load": LOWER | {"swarm"},
    "report": LOWER | {"engine"},
    "cli": LOWER | {"engine", "load", "report", "reference.mutants"},
    "pytest_plugin": LOWER | {"swarm", "engine", "report"},
    "testing": LOWER | {"swarm", "engine"},
    "reference": set(),
    "tencent_simulator": {"reference", "drivers.tencent.usersig"},
}
"""Which layer may import which others; itself and the root's version are always allowed."""

HEAVY = {
    "pydantic",
    "duckdb",
    "locust",
    "gevent",
    "faker",
    "docker",
    "requests",
    "websockets",
    "picows",
    "starlette",
    "rich",
}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the arrow"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _allowed(layer: str, target: str) -> bool:
    inner = target.removeprefix("harness.")
    permitted = {layer, *ALLOWED[layer]}
    return any(inner == name or inner.startswith(f"{name}.") for name in permitted)


def test_arrows_point_one_way(root: Path, sources: list[Path]) -> None:
    """No layer imports one that stands above it, not even late inside a function."""
    wrong = []
    for file in sources:
        layer, *inner = file.relative_to(root / "harness").parts
        if not inner:
            continue
        targets = {name for name in _imported(ast.parse(file.read_text())) if name.startswith("harness.")}
        wrong += [
            f"{file.relative_to(root)} imports {target}"
            for target in sorted(targets)
            if target.count(".") > 1 or (root / "harness" / target.split(".")[1]).is_dir()
            if not _allowed(layer, target)
        ]
    assert wrong == []


def test_every_layer_is_in_the_table(root: Path) -> None:
    """A new subpackage has to say which arrows it may have."""
    found = {file.parent.name for file in (root / "harness").glob("*/__init__.py")}
    assert found == set(ALLOWED)


def _loaded_by(statement: str) -> set[str]:
    script = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return {name.partition(".")[0] for name in json.loads(told.stdout.splitlines()[-1])}


@pytest.mark.parametrize("module", ["harness", "harness.cli.main", "harness.load"])
def test_nothing_heavy_is_loaded_before_a_command_runs(module: str) -> None:
    """Help, version and completion answer at once, because libraries are loaded when they are needed."""
    assert _loaded_by(f"import {module}") & HEAVY == set()


def test_the_reference_backend_needs_nothing_of_the_harness() -> None:
    """The system under test shares no code with what judges it."""
    script = "import harness.reference.service, sys, json; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    ours = {name for name in json.loads(told.stdout) if name.startswith("harness.")}
    assert {name for name in ours if not name.startswith("harness.reference")} == set()


def test_pytest_never_imports_locust() -> None:
    """Locust patches the whole process with gevent, so it stays out of this one."""
    assert {"locust", "gevent"} & set(sys.modules) == set()
