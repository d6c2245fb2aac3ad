"""The reference pages follow the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.reference_pages import pages

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_reference_page_is_what_the_code_says(root: Path, name: str) -> None:
    """Each generated page equals what ``make docs`` would write now."""
    assert (root / "docs" / name).read_text() == PAGES[name], "run `make docs`"
