"""What a stack's file promises to be able to do, and this machine cannot."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.stack import StackSpec


def unavailable(spec: StackSpec) -> Mapping[str, str]:
    """Return the reason for each capability that is not to be had here."""
    del spec
    return {}
