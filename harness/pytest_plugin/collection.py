"""Scenario files as collectors, their matrix entries as tests. Collecting reads files and starts nothing."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import ChatChaosError
from harness.pytest_plugin.outcomes import OURS
from harness.pytest_plugin.settings import Settings

if TYPE_CHECKING:
    from harness.core.plan import ScenarioPlan

SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
"""What was chosen for this session, in ``config.stash``."""


class ScenarioFile(pytest.Module):
    """One scenario file.

    A ``Module``, as pytest's own text files with doctests are, so that fixtures of every scope and plugins that ask
    for an item's module find what they expect.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.obj = types.ModuleType(self.path.name)
        self.obj.__file__ = str(self.path)
        self.diagnostics: list[dict[str, Any]] = []
        """What is wrong with the file, as plain data for reports."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Yield one test for each matrix entry; a bad file is one error with its own diagnostics."""
        from harness.pytest_plugin.loading import load  # noqa: PLC0415 - only sessions with scenarios pay for it

        loaded = load(self.path, self.config.stash[SETTINGS])
        if loaded.problem is not None:
            self.diagnostics = loaded.diagnostics
            raise self.CollectError(loaded.problem)
        for plan in loaded.plans:
            yield ScenarioItem.of(self, plan)


class ScenarioItem(pytest.Function):
    """One scenario (one matrix entry) as a test: ``FILE::bad-day[cut=1s]``."""

    plan: ScenarioPlan

    @classmethod
    def of(cls, parent: ScenarioFile, plan: ScenarioPlan) -> ScenarioItem:
        """Make the test of a plan."""
        # An id must be the same in every worker and fit on any terminal.
        name = plan.id.encode("ascii", "backslashreplace").decode()
        item: ScenarioItem = cls.from_parent(parent, name=name, callobj=play_scenario)
        item.plan = plan
        item.originalname = plan.name  # without the matrix entry, as of a parametrised function
        _mark(item, plan)
        return item

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where editors, JUnit and annotations point: the line of the file that names the scenario, from 0."""
        return self.path, self.plan.line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Tell what broke; how the harness found out is shown with ``--tb=long`` only."""
        if isinstance(excinfo.value, (*OURS, ChatChaosError)) and self.config.getoption("tbstyle") != "long":
            return pytest.Item.repr_failure(self, excinfo, style="value")
        del style  # pytest.Function decides by --tb
        return super().repr_failure(excinfo)


def play_scenario(request: pytest.FixtureRequest) -> None:
    """Play the scenario and judge every message."""
    from harness.pytest_plugin.playing import play  # noqa: PLC0415 - the engine is loaded when something runs

    play(request.node)


def is_scenario(path: Path, config: pytest.Config) -> bool:
    """Tell whether a file is a scenario by its name."""
    return any(path.match(pattern) for pattern in config.getini("chaos_files"))


def _mark(item: ScenarioItem, plan: ScenarioPlan) -> None:
    item.add_marker(pytest.mark.chaos)
    for kind in dict.fromkeys(fault.kind for fault in plan.faults):
        item.add_marker(pytest.mark.fault(kind=kind))
        item.extra_keyword_matches.add(kind)
    if plan.matrix:
        item.add_marker(pytest.mark.matrix(**plan.matrix))
    for tag in plan.tags:
        _tag(item, tag)


def _tag(item: ScenarioItem, tag: str) -> None:
    """Turn a tag into a mark, unless another plugin's mark of that name needs arguments: then it is a keyword only."""
    registered = [line.partition(":")[0].strip() for line in item.config.getini("markers")]
    if any(line.startswith(f"{tag}(") for line in registered):
        item.extra_keyword_matches.add(tag)
        return
    if tag not in registered:
        item.config.addinivalue_line("markers", f"{tag}: a tag of scenarios")
    item.add_marker(tag)
