"""Disks of their own for the services whose disk a scenario is going to fill up or to take the power from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.plan import FaultPlan
from harness.core.stack import ServiceSpec, StackSpec
from harness.faults.storage import KINDS, ON_A_DISK
from harness.faults.toxic import number

_KINDS = frozenset(kind.kind for kind in KINDS)


def with_disks(spec: StackSpec, faults: Sequence[FaultPlan]) -> StackSpec:
    """Return the stack as it has to be started for these faults; of several sizes for a disk the smallest counts."""
    sizes: dict[str, int] = {}
    for fault in faults:
        if fault.kind in _KINDS:
            service = fault.target.partition(".")[0]
            size = round(number(fault, "size")) if "size" in fault.params else ON_A_DISK
            sizes[service] = min(size, sizes.get(service, size))
    disks = {name: _with_disk(spec.services[name], size) for name, size in sizes.items()}
    return replace(spec, services={**spec.services, **disks})


def _with_disk(service: ServiceSpec, size: int) -> ServiceSpec:
    return service if service.docker is None else replace(service, docker=replace(service.docker, disk=size))
