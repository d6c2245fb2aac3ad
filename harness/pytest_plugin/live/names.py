"""What a test calls its people, and who they are on a stack that several tests share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.core.plan import FaultPlan
from harness.faults.registry import kinds


def resolved(text: str, names: Mapping[str, str]) -> str:
    """Put a person's id on the stack where the test's own name stands: ``client:alice/phone->chat``, ``alice``."""
    source, arrow, service = text.partition("->")
    role, colon, owner = source.rpartition(":")
    person, slash, device = owner.partition("/")
    return f"{role}{colon}{names.get(person, person)}{slash}{device}{arrow}{service}"


def resolved_fault(plan: FaultPlan, names: Mapping[str, str]) -> FaultPlan:
    """Return a fault that a test gave in its own names as one that acts on the stack's people."""
    declared = kinds()[plan.kind].params
    params = {
        name: resolved(value, names) if declared[name].type == "device" and isinstance(value, str) else value
        for name, value in plan.params.items()
    }
    if kinds()[plan.kind].targets in {"service", "provider"}:
        return replace(plan, params=params)
    return replace(plan, target=resolved(plan.target, names), params=params)
