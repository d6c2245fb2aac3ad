"""What lies where, and in which shape."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import statistics
import subprocess
from pathlib import Path

import pytest

LONGEST_FILE = 400
MEDIAN_FUNCTION = 9
LONG_FUNCTION = 35


def test_no_python_hides_where_none_belongs(root: Path) -> None:
    """docker/ would shadow the Docker SDK, and scenarios and fixtures are data."""
    found = [path for folder in ("docker", "scenarios", "fixtures") for path in (root / folder).rglob("*.py")]
    assert found == []


def test_no_file_is_too_long(root: Path, sources: list[Path], tests: list[Path]) -> None:
    """A file that outgrows its subject is split."""
    lengths = {str(file.relative_to(root)): len(file.read_text().splitlines()) for file in [*sources, *tests]}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_short(sources: list[Path]) -> None:
    """Half of the functions fit in nine lines, nine of ten in thirty-five."""
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for file in sources
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert statistics.median(lengths) <= MEDIAN_FUNCTION
    assert lengths[len(lengths) * 9 // 10] <= LONG_FUNCTION


def test_every_test_says_what_it_shows(root: Path, tests: list[Path]) -> None:
    """Each test has a docstring that ends in a full stop."""
    silent = [
        f"{file.relative_to(root)}::{node.name}"
        for file in tests
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").endswith(".")
    ]
    assert silent == []


def test_exported_names_are_what_is_public(root: Path, sources: list[Path]) -> None:
    """Where a module gives ``__all__`` (which ruff keeps sorted), it names all that is public."""
    for file in sources:
        if "__all__" not in file.read_text():
            continue
        dotted = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(dotted)
        ours = {
            name
            for name, value in vars(module).items()
            if inspect.isroutine(value) or inspect.isclass(value)
            if not name.startswith("_") and value.__module__ == dotted
        }
        assert ours <= set(module.__all__), dotted
        assert [name for name in module.__all__ if not hasattr(module, name)] == [], dotted


def test_the_root_exports_its_version_only() -> None:
    """Nothing else of the root is a promise to users."""
    import harness  # noqa: PLC0415 - what is tested

    assert harness.__all__ == ["__version__"]


def _tracked(root: Path) -> list[Path]:
    told = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], check=False, capture_output=True, text=True)
    if told.returncode:
        pytest.skip("not a git checkout")
    return [root / name for name in told.stdout.split("\0") if name and (root / name).is_file()]


def test_no_path_of_somebodys_machine(root: Path) -> None:
    """No tracked file names an absolute path that exists on one machine only."""
    somebodys = re.compile(r"/(?:home|Users|root|work|mnt|farm)/\w+")
    found = [
        f"{file.relative_to(root)}: {match.group()}"
        for file in _tracked(root)
        if file.suffix not in {".png", ".lock"}
        for match in somebodys.finditer(file.read_text(errors="replace"))
    ]
    assert found == []


def test_the_lock_file_names_no_index(root: Path) -> None:
    """Whoever installs decides where packages come from; versions and hashes decide what they are."""
    lock = (root / "requirements.lock").read_text()
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links", lock) == []
    pinned = re.findall(r"^([A-Za-z0-9_.-]+)(.*)$", lock, re.MULTILINE)
    assert [name for name, rest in pinned if not rest.startswith(("==", " @"))] == []
