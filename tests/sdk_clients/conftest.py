"""Client libraries of others, wrapped as programs, in front of the servers that they were made for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.core.places import stacks_folder

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
OF_PROGRAMS = {"rate_limit", "refresh_token", "server_clock"}
"""What a stack may still declare when a program is the client: groups and push tokens are asked of no program."""

SCENARIO = EXAMPLES / "sdk-loses-network.chaos.yaml"

Play = Callable[[Path], tuple[int, dict[str, Any]]]


@pytest.fixture
def program_stack(tmp_path: Path) -> Callable[..., Path]:
    """Write a shipped stack with the client of an example in front of it; changes are made to the example's text."""

    def write(
        stack: str, client: str, *replacements: tuple[str, str], argument: str = "", leave_out: tuple[str, ...] = ()
    ) -> Path:
        text = (EXAMPLES / client).read_text()
        for old, new in replacements:
            assert old in text, f"the example no longer has {old!r}"
            text = text.replace(old, new)
        (tmp_path / client).write_text(text)
        data = yaml.safe_load((stacks_folder() / f"{stack}.yaml").read_text())
        data["driver"] = _driver(data["driver"], f"{client} {argument}".strip(), leave_out)
        data["capabilities"] = sorted(OF_PROGRAMS & set(data["capabilities"]))
        data["findings"] = {}
        path = tmp_path / "stack.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return write


def _driver(truth: Mapping[str, str], client: str, leave_out: tuple[str, ...]) -> dict[str, str]:
    options = {name: value for name, value in truth.items() if name not in {"kind", *leave_out}}
    return {"kind": "stdio", "run": "${python} " + client, "truth": truth["kind"], **options}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Have the program lose its network; returns the exit code and the run."""

    def run(stack: Path) -> tuple[int, dict[str, Any]]:
        words = ["run", str(SCENARIO), "--stack", str(stack), "--json"]
        argv = [sys.executable, "-m", "harness.cli.main", *words]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        [played] = json.loads(done.stdout)["runs"]
        return done.returncode, played

    return run
