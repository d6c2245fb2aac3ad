"""Provider simulators by kind: those that come with chat-chaos and those that other packages bring as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from harness.core.errors import UsageError
from harness.providers import matrix_push, unipush
from harness.providers.api import ProviderKind

GROUP = "chat_chaos.providers"
"""Entry point group; each entry is a ``ProviderKind``."""


@cache
def kinds() -> Mapping[str, ProviderKind]:
    """Return every known kind by the name that stack files use, sorted."""
    found = {each.KIND.kind: each.KIND for each in (matrix_push, unipush)}
    found.update({kind.kind: kind for kind in (entry.load() for entry in entry_points(group=GROUP))})
    return dict(sorted(found.items()))


def provider_kind(kind: str) -> ProviderKind:
    """Return a kind by its name; raises ``UsageError`` for one that nobody provides."""
    known = kinds()
    if kind not in known:
        raise UsageError(f"there is no provider {kind!r}", hint=f"known providers: {', '.join(known)}")
    return known[kind]
