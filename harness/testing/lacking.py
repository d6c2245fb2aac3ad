"""What becomes of a test on a machine that lacks something it needs."""

from __future__ import annotations

import os
from typing import NoReturn

REQUIRED = "CHAT_CHAOS_REQUIRE"
"""Environment variable with the names of what this machine is to have, parted by commas."""


def lacking(component: str, how_to_get: str) -> NoReturn:
    """Skip the test with the way to get what is missing; fail it where ``CHAT_CHAOS_REQUIRE`` lists the component."""
    import pytest  # noqa: PLC0415 - benchmarks use these helpers too, and need none

    if component in os.environ.get(REQUIRED, "").replace(",", " ").split():
        pytest.fail(how_to_get)
    pytest.skip(how_to_get)
