"""All fault kinds by name: one file a family, plus what other packages add by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from harness.faults import clock, container, network, process, push, rate_limit, resource, storage, token
from harness.faults.api import FaultKind

ENTRY_POINT_GROUP = "chat_chaos.faults"
FAMILIES = (network, container, process, resource, storage, clock, token, rate_limit, push)


@cache
def kinds() -> Mapping[str, FaultKind]:
    """Return every known kind; an entry point names a tuple of ``FaultKind``."""
    found = {kind.kind: kind for family in FAMILIES for kind in family.KINDS}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        found.update({kind.kind: kind for kind in entry.load()})
    return found
