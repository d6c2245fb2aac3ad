"""The command as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Ended = subprocess.CompletedProcess[str]


@pytest.fixture
def chat_chaos(tmp_path: Path) -> Callable[..., Ended]:
    """Runs ``chat-chaos`` in an empty folder, without a terminal."""

    def start(*arguments: str | Path, cwd: Path = tmp_path, **environ: str) -> Ended:
        command = [sys.executable, "-m", "harness.cli.main", *map(str, arguments)]
        kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        return subprocess.run(
            command, cwd=cwd, env=kept | environ, capture_output=True, text=True, timeout=110, check=False
        )

    return start
