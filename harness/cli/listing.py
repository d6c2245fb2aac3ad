"""``chat-chaos list``: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from harness.cli import options as flags

Rows = list[dict[str, str]]


class Listed(StrEnum):
    """What can be listed."""

    SCENARIOS = "scenarios"
    FAULTS = "faults"
    CHECKS = "checks"
    STACKS = "stacks"
    DRIVERS = "drivers"
    MUTANTS = "mutants"
    PROVIDERS = "providers"


def list_(
    what: Annotated[Listed, typer.Argument(metavar="WHAT", help=", ".join(Listed))],
    *,
    as_json: flags.AsJson = False,
) -> int:
    """List what there is to choose from."""
    import json

    rows = _SOURCES[what]()
    typer.echo(json.dumps(rows, indent=2) if as_json else "\n".join(table(rows)))
    return 0


def table(rows: Rows) -> list[str]:
    """Return aligned lines: all columns but the last are padded."""
    widths = [max(len(value) for value in column) for column in zip(*(row.values() for row in rows), strict=True)]
    return ["  ".join(map(str.ljust, row.values(), widths)).rstrip() for row in rows]


def _scenarios() -> Rows:
    from pathlib import Path

    from harness.core.places import scenarios_folder
    from harness.report.places import near
    from harness.scenario.loader import load_scenarios

    plans = load_scenarios([scenarios_folder()])
    return [
        {"name": plan.id, "stack": plan.stack, "title": plan.title, "file": near(Path(plan.source))} for plan in plans
    ]


def _faults() -> Rows:
    from harness.faults.registry import kinds

    return [{"name": kind.kind, "title": kind.summary} for kind in kinds().values()]


def _checks() -> Rows:
    from harness.checks.catalogue import checks

    return [{"name": check.id, "title": check.title} for check in checks().values()]


def _stacks() -> Rows:
    from harness.core.places import stacks_folder
    from harness.report.places import near
    from harness.scenario.stackfile import load_stack

    files = sorted(stacks_folder().glob("*.yaml"))
    specs = [(load_stack(str(file)), file) for file in files]
    return [{"name": spec.name, "driver": spec.driver, "file": near(file)} for spec, file in specs]


def _drivers() -> Rows:
    from harness.drivers.registry import kinds

    return [{"name": kind} for kind in kinds()]


def _providers() -> Rows:
    from harness.providers.registry import kinds

    return [{"name": kind.kind, "title": kind.summary} for kind in kinds().values()]


def _mutants() -> Rows:
    from harness.engine.defects import titles

    return [{"name": name, "title": title} for name, title in titles().items()]


_SOURCES: dict[Listed, Callable[[], Rows]] = {
    Listed.SCENARIOS: _scenarios,
    Listed.FAULTS: _faults,
    Listed.CHECKS: _checks,
    Listed.STACKS: _stacks,
    Listed.DRIVERS: _drivers,
    Listed.MUTANTS: _mutants,
    Listed.PROVIDERS: _providers,
}
