"""The source tree as the house rules see it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sources(root: Path) -> list[Path]:
    """Every module of the package."""
    return sorted((root / "harness").rglob("*.py"))


@pytest.fixture(scope="session")
def tests(root: Path) -> list[Path]:
    """Every file of tests."""
    return sorted((root / "tests").rglob("*.py"))
