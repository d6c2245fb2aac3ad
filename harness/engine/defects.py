"""All seeded defects, of the reference backend and of the client, under the names that ``--mutant`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.core.plan import ScenarioPlan
from harness.drivers.defects import DEFECTS
from harness.reference.mutants import MUTANTS


def titles() -> Mapping[str, str]:
    """Return what is wrong with each, by name."""
    return {name: one.title for name, one in MUTANTS.items()} | {name: one.title for name, one in DEFECTS.items()}


def server_mutant(name: str | None) -> str | None:
    """Return the name if it is a defect of the backend, which the launcher has to plant."""
    return name if name in MUTANTS else None


def with_client_defect(plan: ScenarioPlan, name: str | None) -> ScenarioPlan:
    """Return the plan, played by a naive client if the name is one of a client's defects."""
    if name is None or name not in DEFECTS:
        return plan
    return replace(plan, client="naive", defects=(name,))
