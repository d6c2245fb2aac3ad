"""Hooks that a ``conftest.py`` or another plugin may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.core.plan import ScenarioPlan
    from harness.engine.options import RunOptions
    from harness.engine.stream import Listener


@pytest.hookspec(firstresult=True)
def pytest_chaos_run(plan: ScenarioPlan, options: RunOptions, listener: Listener) -> bool | None:
    """Play one scenario and tell ``listener`` of it; return True when done, None to leave it to others.

    By default the engine plays it in this process. The last ``RunFinished`` that is no rerun is the verdict; a
    ``RunSkipped`` skips the test.
    """
