"""Scenario files to plans: every mistake of every file at once, or everything that can be run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.errors import NothingSelected, UsageError
from harness.core.plan import ScenarioPlan
from harness.core.stack import StackSpec
from harness.scenario.build import Built, build_scene
from harness.scenario.diagnostics import BadFile, Diagnostic
from harness.scenario.matrix import Substituted, read_matrix, substitute
from harness.scenario.mistakes import Mistake
from harness.scenario.plans import make_plan
from harness.scenario.source import Source, read_source
from harness.scenario.stackfile import load_stack
from harness.scenario.vocabulary import Vocabulary, installed

UNKNOWN = "unknown-name"
SUFFIXES = (".chaos.yaml", ".chaos.yml")


def load_scenarios(
    paths: Sequence[Path],
    *,
    stack: StackSpec | None = None,
    vocabulary: Vocabulary | None = None,
    env: Mapping[str, str] = os.environ,
) -> list[ScenarioPlan]:
    """Load scenario files and folders of them, one plan for each matrix entry, in the order of paths and names.

    ``stack`` replaces the stacks that the files name; a scenario about services or links that only its own stack has
    becomes a plan that says what is ``absent``. ``vocabulary`` is by default what is installed.
    Raises ``UsageError`` for a path that is not there, ``NothingSelected`` for a folder without scenarios and
    ``BadFile`` with all mistakes of all files.
    """
    loading = _Loading(vocabulary or installed(), env, stack)
    for path in scenario_files(paths):
        loading.add(path)
    if loading.diagnostics:
        raise BadFile(loading.diagnostics)
    return loading.plans


def scenario_files(paths: Iterable[Path]) -> list[Path]:
    """Return the scenario files that paths stand for, each once; a file is taken whatever its name."""
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _files_of(path):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and file.is_file())
        if not files:
            raise NothingSelected(f"no scenario in folder {path}", hint=f"scenario files are named *{SUFFIXES[0]}")
        return files
    if not path.exists():
        raise UsageError(f"there is no {path}", hint=f"give scenario files (*{SUFFIXES[0]}) or folders of them")
    return [path]


@dataclass(slots=True)
class _Loading:
    """What one call has read so far."""

    vocabulary: Vocabulary
    env: Mapping[str, str]
    override: StackSpec | None
    plans: list[ScenarioPlan] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    stacks: dict[str, StackSpec | UsageError] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        try:
            source = read_source(path)
        except BadFile as error:
            self.diagnostics += error.diagnostics
            return
        mistakes = [*self._repeated_name(source), *self._entries(source, path)]
        found = [*source.problems, *source.locate(mistakes)]
        self.diagnostics += sorted(found, key=lambda one: (one.line, one.column))

    def _repeated_name(self, source: Source) -> list[Mistake]:
        name = source.data.get("name")
        if not isinstance(name, str):
            return []
        first = self.names.setdefault(name, source.file)
        text = f"'{name}' is already the name of {first}"
        return [] if first == source.file else [Mistake(("name",), "duplicate-name", text)]

    def _entries(self, source: Source, path: Path) -> list[Mistake]:
        matrix = read_matrix(source.data)
        mistakes = list(matrix.mistakes)
        for entry in matrix.entries():
            filled = substitute(source.data, entry, self.env)
            built, absent = self._build(filled, path)
            mistakes += [*filled.mistakes, *built.mistakes]
            if built.scene is not None:
                line = source.document.place_of(("name",)).line
                stack = _stack_name(built.scene.model.stack, path)
                plan = make_plan(built.scene, entry, source=path, line=line, stack=stack, text=source.text)
                self.plans.append(replace(plan, absent=absent))
        return mistakes

    def _build(self, filled: Substituted, path: Path) -> tuple[Built, tuple[str, ...]]:
        """Look at an entry for the stack that was chosen; what is right for its own stack is no mistake."""
        if self.override is None:
            return build_scene(filled, self.vocabulary, lambda name: self._stack(name, path)), ()
        built = build_scene(filled, self.vocabulary, lambda _: self.override)
        if built.scene is not None:
            return built, ()
        own = build_scene(filled, self.vocabulary, lambda name: self._stack(name, path))
        if own.scene is None or {one.code for one in built.mistakes} != {UNKNOWN}:
            return built, ()
        return own, tuple(dict.fromkeys(one.text for one in built.mistakes))

    def _stack(self, name: str, path: Path) -> StackSpec | Mistake | None:
        name = _stack_name(name, path)
        if name not in self.stacks:
            self.stacks[name] = self._read_stack(name)
        found = self.stacks[name]
        if isinstance(found, BadFile):
            return None
        return Mistake(("stack",), "unknown-name", found.what, found.hint) if isinstance(found, UsageError) else found

    def _read_stack(self, name: str) -> StackSpec | UsageError:
        try:
            return load_stack(name)
        except BadFile as error:
            self.diagnostics += error.diagnostics
            return error
        except UsageError as error:
            return error


def _stack_name(name: str, scenario: Path) -> str:
    """A path in a scenario starts at the scenario's own folder when there is such a file, else where the user is."""
    beside = scenario.parent / name
    return beside.as_posix() if name.endswith((".yaml", ".yml")) and beside.is_file() else name
