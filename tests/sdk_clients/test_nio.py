"""matrix-nio in front of a real Synapse: it sends, loses its network, comes back, and is judged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.scenario.stackfile import load_stack
from harness.stacks.venvs import cache_folder
from harness.testing.lacking import lacking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Play = Callable[[Path], tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("nio", reason="matrix-nio is not installed: pip install matrix-nio")
    version = load_stack("synapse").parameters["version"]
    if not list(cache_folder(os.environ).glob(f"matrix-synapse-{version}-*/bin/python")):
        lacking("synapse", f"Synapse {version} is not installed: chat-chaos run --stack synapse does that")


def test_it_comes_back_from_a_cut_and_loses_nothing(program_stack: Callable[..., Path], play: Play) -> None:
    """What it repeats after the cut has the same transaction, and what it missed it fetches."""
    code, played = play(program_stack("synapse", "nio_client.py", leave_out=("push_gateway",)))
    assert code == 0, played["reasons"]
    [cut] = played["faults"]
    assert (cut["gap"], cut["exposed"] > 0) == (None, True)
    examined = {one["id"]: one["exercised"] for one in played["checks"] if one["verdict"] == "pass"}
    assert examined["client_holds"] > 5
    assert examined["acked_never_lost"] > 5


def test_an_app_around_it_that_forgets_is_caught(program_stack: Callable[..., Path], play: Play) -> None:
    """Told to repeat nothing, the library says so to the app; one that does not listen has lost the message."""
    changes = (
        ("request_timeout=3)", "request_timeout=3, max_timeouts=0)"),
        ("aiohttp.ClientError):\n                continue\n", "aiohttp.ClientError):\n                return\n"),
    )
    stack = program_stack("synapse", "nio_client.py", *changes, leave_out=("push_gateway",))
    code, played = play(stack)
    assert code == 1, played["reasons"]
    assert "client_holds" in {one["id"] for one in played["checks"] if one["verdict"] == "fail"}
