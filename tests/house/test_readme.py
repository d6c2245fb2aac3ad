"""What the README shows can be done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"\s+# exits (\d+)$")


def _blocks(text: str, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def _commands(text: str) -> Iterator[tuple[str, int]]:
    for block in _blocks(text, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                documented = EXITS.search(line)
                yield EXITS.sub("", line[2:]), int(documented[1]) if documented else 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_command_of_the_readme_does_what_it_says(root: Path, tmp_path: Path) -> None:
    """Commands run in their order, beside the files that the README shows, and end with the documented codes."""
    text = (root / "README.md").read_text()
    for block in _blocks(text, "yaml"):
        named = re.match(r"# (\S+\.chaos\.yaml)\n", block)
        if named:
            (tmp_path / named[1]).write_text(block)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = list(_commands(text))
    assert len(commands) > 1
    for command, documented in commands:
        # Targets of make set up a virtual environment of their own: here it is enough that they exist.
        words = f"make -n -C '{root}' {command.removeprefix('make ')}" if command.startswith("make ") else command
        ended = subprocess.run(
            ["bash", "-c", words],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == documented, f"{command}\n{ended.stdout}{ended.stderr}"


def test_the_readme_shows_what_there_is(root: Path) -> None:
    """Its tables of faults and checks name every kind and nothing else, and its links lead somewhere."""
    from harness.checks.catalogue import checks  # noqa: PLC0415 - only this test needs them
    from harness.faults.registry import kinds  # noqa: PLC0415

    text = (root / "README.md").read_text()
    named = set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
    assert named == {*kinds(), *checks()}
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (root / link).exists()] == []
