"""What a started program gets of the harness's own environment: enough to run, and none of its secrets."""

from __future__ import annotations

from collections.abc import Mapping

NAMES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that every program gets."""
    return {name: environment[name] for name in NAMES if name in environment}
