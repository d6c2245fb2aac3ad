"""The reference backend for its tests: one process for what leaves no trace, one of its own for what does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from harness.testing.reference_chat import ReferenceChat, reference_chat

Start = Callable[..., ReferenceChat]
Names = Callable[[int], list[str]]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceChat]:
    """A healthy chat that the tests of a module share."""
    with reference_chat(tmp_path_factory.mktemp("chat")) as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a chat of the test's own, which it may kill and restart."""
    with ExitStack() as started:
        yield lambda **settings: started.enter_context(reference_chat(tmp_path, **settings))


_numbers = count()


@pytest.fixture
def names() -> Names:
    """Make up names that no other test uses."""
    return lambda number: [f"person{next(_numbers)}" for _ in range(number)]
