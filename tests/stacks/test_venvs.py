"""Virtual environments for servers: what goes into them, that they are made once, and how a failure is told."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from harness.core.errors import EnvironmentFault, UsageError
from harness.core.stack import Pins, Venv
from harness.stacks.api import Processes
from harness.stacks.venvs import cache_folder, ensure, requirements

PINS = (Pins("1.80", ("old<1",)), Pins("1.129.0", ("middle<2",)), Pins(None, ("late<3",)))


@pytest.mark.parametrize(
    ("version", "pinned"),
    [("1.21.0", "old<1"), ("1.79", "old<1"), ("1.80.0", "middle<2"), ("1.128.0rc1", "middle<2"), ("1.129", "late<3")],
)
def test_the_first_pins_that_apply_are_used(version: str, pinned: str) -> None:
    """Versions are compared by their numbers: 1.80 is 1.80.0 and later than 1.9."""
    assert requirements(Venv("server", version, PINS)) == [f"server=={version}", pinned]


def test_without_pins_the_package_stands_alone() -> None:
    """A version above all bounds needs nothing else."""
    assert requirements(Venv("server", "2.0", PINS[:2])) == ["server==2.0"]


@pytest.mark.parametrize("version", ["", "latest", "1.0 --index-url=http://evil", "-r/etc/passwd"])
def test_what_is_no_version_is_refused(version: str) -> None:
    """Nothing but a version reaches pip."""
    with pytest.raises(UsageError, match="is no version of server"):
        requirements(Venv("server", version))


class Direct:
    """Runs programs as children of the test."""

    def __init__(self) -> None:
        self.started: list[Sequence[str]] = []
        self._running: dict[int, asyncio.subprocess.Process] = {}

    async def spawn(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> int:
        """Start a program with its output in a log."""
        assert name
        self.started.append(argv)
        with log.open("ab") as output:
            made = await asyncio.create_subprocess_exec(*argv, env=env, stdout=output, stderr=output)
        self._running[made.pid] = made
        return made.pid

    async def wait_exit(self, pid: int, within_s: float) -> int | None:
        """Wait for its end."""
        async with asyncio.timeout(within_s):
            return await self._running[pid].wait()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip finds one package, ``tiny-server`` 1.0, and has no index."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    info = "tiny_server-1.0.dist-info"
    with zipfile.ZipFile(shelf / "tiny_server-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_server.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-server\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return {
        "PATH": os.environ["PATH"],
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(shelf),
        "PIP_CONFIG_FILE": os.devnull,
    }


@pytest.mark.slow
def test_an_environment_is_made_once_by_whoever_comes_first(environ: dict[str, str], tmp_path: Path) -> None:
    """The other one waits and says so; later ones find it and start nothing."""
    processes, said = Direct(), list[str]()

    async def one() -> Path:
        return await ensure(
            Venv("tiny-server", "1.0"),
            cast("Processes", processes),
            environ=environ,
            log=tmp_path / "log",
            say=said.append,
        )

    async def play() -> set[Path]:
        return {*await asyncio.gather(one(), one()), await one()}

    [folder] = asyncio.run(play())
    assert list(folder.glob("lib/python*/site-packages/tiny_server.py"))
    assert len(processes.started) == 2
    assert [sentence.split()[0] for sentence in said] == ["installing", "waiting"]
    assert [each.name for each in folder.parent.iterdir() if each.is_dir()] == [folder.name]


@pytest.mark.slow
def test_a_version_that_there_is_not_is_told_with_pips_own_words(environ: dict[str, str], tmp_path: Path) -> None:
    """One sentence with the way out, and nothing half made stays behind."""
    making = ensure(
        Venv("tiny-server", "9.9"),
        cast("Processes", Direct()),
        environ=environ,
        log=tmp_path / "log",
        say=lambda _: None,
    )
    with pytest.raises(EnvironmentFault, match=r"tiny-server==9\.9 could not be installed") as told:
        asyncio.run(making)
    assert "No matching distribution found for tiny-server==9.9" in told.value.what
    assert not [each for each in cache_folder(environ).iterdir() if each.is_dir()]
