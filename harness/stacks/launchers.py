"""The ways of starting a stack, by the names that users give."""

from __future__ import annotations

from harness.stacks.api import Launcher
from harness.stacks.embedded import EmbeddedLauncher

LAUNCHERS = ("embedded",)


def launcher(name: str) -> Launcher:
    """Return the launcher of one of the names in ``LAUNCHERS``; KeyError for any other."""
    return {"embedded": EmbeddedLauncher}[name]()
