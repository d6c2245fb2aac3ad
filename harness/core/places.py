"""Where the scenarios and stacks that come with the package lie: in the wheel, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def scenarios_folder() -> Path:
    """Folder of the scenarios that come with chat-chaos."""
    return _shipped("scenarios", _PACKAGE.parent / "scenarios")


def stacks_folder() -> Path:
    """Folder of the stack files that come with chat-chaos."""
    return _shipped("stacks", _PACKAGE.parent / "fixtures" / "stacks")


def _shipped(name: str, checkout: Path) -> Path:
    bundled = _PACKAGE / "_bundled" / name
    return bundled if bundled.is_dir() else checkout
