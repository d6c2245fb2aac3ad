"""Virtual environments that servers run from: made once for each version on this machine, and shared by all runs."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from harness.core.errors import EnvironmentFault, UsageError
from harness.core.stack import Venv
from harness.core.versions import older
from harness.stacks.api import Processes
from harness.stacks.logs import last_lines

INSTALL_WITHIN_S = 1200.0
_LOOK_EVERY_S = 0.2
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+_-]*")
_ANOTHER_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"})

Say = Callable[[str], None]


def to_stderr(sentence: str) -> None:
    """Tell the user how it goes, apart from what a program reads."""
    sys.stderr.write(f"chat-chaos: {sentence}\n")
    sys.stderr.flush()


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder in which environments are kept from run to run (XDG base directory specification)."""
    root = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(root) / "chat-chaos" / "venvs"


def home_of(venv: Venv, environ: Mapping[str, str]) -> Path:
    """Return where an environment lies once it is made; raises ``UsageError`` for a version that is none."""
    return cache_folder(environ) / f"{venv.package}-{venv.version}-{_digest(requirements(venv))}"


def requirements(venv: Venv) -> list[str]:
    """Return what pip is asked for; raises ``UsageError`` for a version that is none."""
    if not _VERSION.fullmatch(venv.version):
        raise UsageError(f"{venv.version!r} is no version of {venv.package}", hint="write it as its releases do: 1.2.3")
    applying = (pins.packages for pins in venv.pins if pins.below is None or older(venv.version, pins.below))
    return [f"{venv.package}=={venv.version}", *next(applying, ()), *venv.extras]


async def ensure(
    venv: Venv, processes: Processes, *, environ: Mapping[str, str], log: Path, say: Say = to_stderr
) -> Path:
    """Return the environment's folder, after making it when it is missing: several processes make it once.

    Raises ``EnvironmentFault`` with pip's own words when it cannot be made.
    """
    wanted = requirements(venv)
    folder = home_of(venv, environ)
    if folder.is_dir():
        return folder
    async with _one_at_a_time(folder, lambda: say(f"waiting for another run that installs {wanted[0]}")):
        if not folder.is_dir():
            say(f"installing {wanted[0]} below {folder.parent}, once for all runs; this may take some minutes")
            await _make(folder, wanted, processes, environ, log)
    return folder


async def _make(folder: Path, wanted: list[str], processes: Processes, environ: Mapping[str, str], log: Path) -> None:
    """Build under another name, so that whoever finds the folder finds it whole."""
    building = folder.with_name(f"{folder.name}.making")
    await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)
    env = {name: value for name, value in environ.items() if name not in _ANOTHER_PYTHON}
    install = ["pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    steps = (
        [sys.executable, "-m", "venv", str(building)],
        [str(building / "bin" / "python"), "-m", *install, *wanted],
    )
    try:
        for argv in steps:
            pid = await processes.spawn(f"the installation of {wanted[0]}", argv, env=env, log=log)
            status = await processes.wait_exit(pid, INSTALL_WITHIN_S)
            if status != 0:
                raise _failed(wanted, status, log)
        building.rename(folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)


def _failed(wanted: list[str], status: int | None, log: Path) -> EnvironmentFault:
    how = f"did not end within {INSTALL_WITHIN_S:g} s" if status is None else f"ended with status {status}"
    return EnvironmentFault(
        f"{wanted[0]} could not be installed: pip {how}; {last_lines(log)}",
        hint="give a version that the package index has, and see that this machine reaches the index",
    )


@asynccontextmanager
async def _one_at_a_time(folder: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise EnvironmentFault(
            f"{folder.parent} cannot be written to: {problem.strerror}", hint="set XDG_CACHE_HOME to a folder that can"
        ) from None
    try:
        told = False
        while not _locked(lock):
            if not told:
                waiting()
                told = True
            await asyncio.sleep(_LOOK_EVERY_S)
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _digest(wanted: list[str]) -> str:
    python = ".".join(map(str, sys.version_info[:2]))
    return hashlib.sha256("\n".join([python, *wanted]).encode()).hexdigest()[:8]
