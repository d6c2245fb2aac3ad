"""Where the scenarios, stacks and images that come with the package lie: in the wheel, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def scenarios_folder() -> Path:
    """Folder of the scenarios that come with chat-chaos."""
    return _shipped("scenarios", _PACKAGE.parent / "scenarios")


def stacks_folder() -> Path:
    """Folder of the stack files that come with chat-chaos."""
    return _shipped("stacks", _PACKAGE.parent / "fixtures" / "stacks")


def docker_folder() -> Path:
    """Folder of the images that come with chat-chaos, one folder with a Dockerfile for each."""
    return _shipped("docker", _PACKAGE.parent / "docker")


def package_folder() -> Path:
    """Folder of the package itself."""
    return _PACKAGE


def _shipped(name: str, checkout: Path) -> Path:
    bundled = _PACKAGE / "_bundled" / name
    return bundled if bundled.is_dir() else checkout
