"""Clients over scripted connections."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.testing.clients import PlayOutbox, play_outbox


@pytest.fixture
def play(tmp_path: Path) -> PlayOutbox:
    """Play a scene with an outbox and return the events that it recorded."""
    return partial(play_outbox, tmp_path)
