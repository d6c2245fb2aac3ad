"""The command as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.main import main

Ended = subprocess.CompletedProcess[str]


@pytest.fixture
def chat_chaos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Does what ``chat-chaos`` does in an empty folder, without a terminal, and without the time that a start takes."""

    def start(*arguments: str | Path, cwd: Path = tmp_path, **environ: str) -> Ended:
        command = ["chat-chaos", *map(str, arguments)]
        capsys.readouterr()
        with monkeypatch.context() as here:
            for name in ("NO_COLOR", "FORCE_COLOR"):
                here.delenv(name, raising=False)
            for name, value in environ.items():
                here.setenv(name, value)
            here.chdir(cwd)
            here.setattr(sys, "argv", command)
            with pytest.raises(SystemExit) as ended:
                main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(command, int(ended.value.code or 0), said.out, said.err)

    return start


@pytest.fixture
def chat_chaos_process(tmp_path: Path) -> Callable[..., Ended]:
    """Runs ``chat-chaos`` as a process of its own in an empty folder, without a terminal."""

    def start(*arguments: str | Path) -> Ended:
        command = [sys.executable, "-m", "harness.cli.main", *map(str, arguments)]
        kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        return subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=110, check=False)

    return start
