"""Provider simulators by kind: those that come along, plus what other packages add by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from harness.core.errors import UsageError

ENTRY_POINT_GROUP = "chat_chaos.providers"
_OURS: Mapping[str, str] = {"unipush": "harness.providers.unipush:Unipush"}


def kinds() -> tuple[str, ...]:
    """Return the names of all known providers."""
    return tuple(sorted({*_OURS, *(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))}))


def provider(kind: str) -> Any:
    """Return the class of a provider, made as ``cls(rules, recorder, key=…)``; raises ``UsageError`` if unknown."""
    if kind in _OURS:
        module, _, name = _OURS[kind].partition(":")
        return getattr(import_module(module), name)
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=kind):
        return entry.load()
    raise UsageError(f"there is no provider {kind!r}", hint=f"known providers: {', '.join(kinds())}")
