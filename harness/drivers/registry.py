"""Drivers by name: those that come with chat-chaos and those that other packages bring as entry points."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from harness.core.errors import UsageError
from harness.drivers.api import Driver

GROUP = "chat_chaos.drivers"
"""Entry point group; each entry is a callable that takes the stack file's driver options and returns a driver."""

Factory = Callable[[Mapping[str, str]], Driver]
Settle = Callable[[Mapping[str, str], Path], Mapping[str, str]]

_BUILT_IN = {
    "matrix": "harness.drivers.matrix.driver:make",
    "python": "harness.drivers.beside:make",
    "reference": "harness.drivers.reference.driver:make",
    "stdio": "harness.drivers.stdio.driver:make",
    "tencent": "harness.drivers.tencent.driver:make",
    "websocket": "harness.drivers.mapped.driver:make",
    "xmpp": "harness.drivers.xmpp.driver:make",
}
_SETTLERS = {
    "python": "harness.drivers.beside:settle",
    "stdio": "harness.drivers.stdio.options:settle",
    "websocket": "harness.drivers.mapped.file:settle",
}
PROGRAMS = frozenset({"stdio"})
"""Kinds by which each device is a client program of the user's: nothing of ours sends or retries."""


def kinds() -> tuple[str, ...]:
    """Names that a stack file may give as ``driver: {kind: …}``, sorted."""
    return tuple(sorted({*_BUILT_IN, *_installed()}))


def driver(kind: str, options: Mapping[str, str]) -> Driver:
    """Return a driver of that kind; raises ``UsageError`` for a kind that nobody provides."""
    return _factory(kind)(options)


def settle(kind: str, options: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """Return the options of a stack file in ``folder`` as the driver takes them wherever it runs.

    Files that they name are looked for beside the stack file, and checked. Raises ``UsageError`` when they are wrong.
    """
    if kind not in _SETTLERS:
        return options
    return cast("Settle", _named(_SETTLERS[kind]))(options, folder)


def _factory(kind: str) -> Factory:
    if kind in _BUILT_IN:
        return cast("Factory", _named(_BUILT_IN[kind]))
    installed = _installed()
    if kind in installed:
        return cast("Factory", installed[kind].load())
    raise UsageError(f"there is no driver {kind!r}", hint=_hint(kind))


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _hint(kind: str) -> str:
    close = difflib.get_close_matches(kind, kinds(), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known drivers: {', '.join(kinds())}"
