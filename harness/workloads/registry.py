"""Kinds of workload by name, for reading them from plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.core.errors import UsageError
from harness.core.plan import (
    BlockWorkload,
    DirectWorkload,
    GroupWorkload,
    OfflineWorkload,
    ToDeviceWorkload,
    Workload,
)

KINDS: Mapping[str, type[Workload]] = {
    "direct": DirectWorkload,
    "offline": OfflineWorkload,
    "group": GroupWorkload,
    "block": BlockWorkload,
    "to_device": ToDeviceWorkload,
}


def workload(raw: Mapping[str, Any]) -> Workload:
    """Return the workload that ``raw`` (a plan as JSON) describes; raises ``UsageError`` for an unknown kind."""
    kind = str(raw.get("kind"))
    if kind not in KINDS:
        raise UsageError(f"there is no workload {kind!r}", hint=f"known workloads: {', '.join(sorted(KINDS))}")
    return msgspec.convert(raw, KINDS[kind])
