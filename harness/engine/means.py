"""Which faults of a scenario a launcher has no means for."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.plan import FaultPlan
from harness.core.stack import StackSpec
from harness.faults.registry import kinds
from harness.stacks.means import lacking


def without_means(faults: Sequence[FaultPlan], spec: StackSpec, launcher: str) -> list[str]:
    """Return a reason for each fault that cannot be applied to a stack that is launched so."""
    reasons = (
        lacking(
            launcher,
            spec,
            kind=fault.kind,
            targets=kinds()[fault.kind].targets,
            target=fault.target,
            params=fault.params,
        )
        for fault in faults
    )
    return [reason for reason in reasons if reason]
