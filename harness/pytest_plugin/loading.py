"""Reads a scenario file for pytest's collection."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import ChatChaosError
from harness.core.plan import ScenarioPlan
from harness.pytest_plugin.settings import Settings
from harness.report.places import near
from harness.scenario.diagnostics import BadFile
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack


@dataclass(frozen=True, slots=True)
class Loaded:
    """The plans of a file, or the problem that keeps it from being run."""

    plans: list[ScenarioPlan] = field(default_factory=list)
    problem: str | None = None
    diagnostics: list[dict[str, Any]] = field(default_factory=list)


def load(path: Path, settings: Settings) -> Loaded:
    """Load one file for the stack that was chosen, or for its own."""
    try:
        stack = None if settings.stack is None else load_stack(settings.stack, parameters=settings.parameters)
        return Loaded(load_scenarios([Path(near(path))], stack=stack))
    except BadFile as bad:
        return Loaded(problem=str(bad), diagnostics=[asdict(one) for one in bad.diagnostics])
    except ChatChaosError as problem:
        return Loaded(problem=str(problem))
