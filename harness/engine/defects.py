"""All seeded defects, of the reference backend and of the client, under the names that ``--mutant`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.core.plan import ScenarioPlan
from harness.core.stack import StackSpec
from harness.drivers.defects import DEFECTS
from harness.drivers.registry import PROGRAMS
from harness.reference.mutants import MUTANTS
from harness.stacks.filling import placeholders

MUTANT = "mutant"
"""The placeholder by which a stack file takes a defect."""


def titles() -> Mapping[str, str]:
    """Return what is wrong with each, by name."""
    return {name: one.title for name, one in MUTANTS.items()} | {name: one.title for name, one in DEFECTS.items()}


def server_mutant(name: str | None) -> str | None:
    """Return the name if it is a defect of the backend, which the launcher has to plant."""
    return name if name in MUTANTS else None


def plantable(name: str, spec: StackSpec) -> bool:
    """Tell whether a defect can be planted where a stack is played: those of the client in any, others by its file."""
    programs = (form for service in spec.services.values() for form in (service.embedded, service.docker) if form)
    texts = (text for program in programs for text in (*program.run, *program.env.values()))
    return name in DEFECTS or any(MUTANT in placeholders(text) for text in texts)


def as_played(plan: ScenarioPlan, mutant: str | None, spec: StackSpec) -> ScenarioPlan:
    """Return the plan with the client that plays it.

    That is a naive one if the mutant is one of a client's defects, the user's own where the stack brings programs.
    """
    if mutant is not None and mutant in DEFECTS:
        return replace(plan, client="naive", defects=(mutant,))
    if plan.client == "outbox" and spec.driver in PROGRAMS:
        return replace(plan, client="none")
    return plan


def own_client(plan: ScenarioPlan, spec: StackSpec) -> list[str]:
    """Return why a naive client cannot play against a stack that brings clients of its own; empty when it can."""
    if plan.client == "naive" and spec.driver in PROGRAMS:
        return [f"stack {spec.name} brings its own client, in which no defect can be planted"]
    return []
