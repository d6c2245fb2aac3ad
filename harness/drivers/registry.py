"""Drivers by name: those that come with chat-chaos and those that other packages bring as entry points."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from harness.core.errors import UsageError
from harness.drivers.api import Driver

GROUP = "chat_chaos.drivers"
"""Entry point group; each entry is a callable that takes the stack file's driver options and returns a driver."""

Factory = Callable[[Mapping[str, str]], Driver]

_BUILT_IN = {"reference": "harness.drivers.reference.driver:make"}


def kinds() -> tuple[str, ...]:
    """Names that a stack file may give as ``driver: {kind: …}``, sorted."""
    return tuple(sorted({*_BUILT_IN, *_installed()}))


def driver(kind: str, options: Mapping[str, str]) -> Driver:
    """Return a driver of that kind; raises ``UsageError`` for a kind that nobody provides."""
    return _factory(kind)(options)


def _factory(kind: str) -> Factory:
    if kind in _BUILT_IN:
        module, _, name = _BUILT_IN[kind].partition(":")
        return cast("Factory", getattr(import_module(module), name))
    installed = _installed()
    if kind in installed:
        return cast("Factory", installed[kind].load())
    raise UsageError(f"there is no driver {kind!r}", hint=_hint(kind))


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _hint(kind: str) -> str:
    close = difflib.get_close_matches(kind, kinds(), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known drivers: {', '.join(kinds())}"
