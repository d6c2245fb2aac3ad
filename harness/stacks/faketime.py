"""Moving the wall clock of a running process by libfaketime, which reads its offset from a file.

Facts about libfaketime 0.9.10 to its state of May 2024, by its source and measured: with ``DONT_FAKE_MONOTONIC`` (its
older name) or ``FAKETIME_DONT_FAKE_MONOTONIC`` monotonic time and waits stay untouched; ``time.time()`` then costs a
third of a microsecond, and a new offset is seen within a second. 0.9.10 as Debian 12 has it makes ``clock_nanosleep``
with an absolute time fail with EINVAL, so Python 3.11's ``time.sleep`` too: a library is tried out before it is used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

VARIABLE = "CHAT_CHAOS_FAKETIME"
"""Names the library to use, or ``none`` to go without."""
HOW_TO_GET = "install chat-chaos[clock], or apt-get install libfaketime"

_IN_PACKAGE = "vendor/libfaketime/src/libfaketime.so.1"
_IN_SYSTEM = ("*/faketime/libfaketime.so.1", "faketime/libfaketime.so.1")
_SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_TRY_WITHIN_S = 10.0
_TRY_OFFSET_S = 86400.0
_TRY = """
import os, sys, time
with open(os.environ["FAKETIME_TIMESTAMP_FILE"] + ".host") as host:
    wall, mono = map(float, host.read().split())
if abs(time.time() - wall - 86400) > 3600: sys.exit("the clock does not move")
if abs(time.monotonic() - mono) > 3600: sys.exit("monotonic time moves too")
try: time.sleep(0.001)
except OSError: sys.exit("sleeping fails")
"""


@dataclass(frozen=True, slots=True)
class MovableClock:
    """The wall clock of one service: its offset is what ``file`` says."""

    library: Path
    file: Path

    def environment(self, preloaded: str = "") -> dict[str, str]:
        """Return the variables that the service has to be started with; ``preloaded`` is its own LD_PRELOAD."""
        return {
            "LD_PRELOAD": f"{self.library}:{preloaded}".rstrip(":"),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            # Not FAKETIME_NO_CACHE: it races between threads, and the loser is told the host's time.
            "FAKETIME_CACHE_DURATION": "0",
            # Without it timed waits on conditions break (glibc 2.30 and newer), and with them Python's threads.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def move(self, offset_s: float) -> None:
        """Set how far the clock is ahead of the host's, in seconds; the service sees it within a second."""
        # Replaced in one step: the service must never read half an offset.
        fresh = self.file.with_name(f"{self.file.name}.new")
        fresh.write_text(f"{offset_s:+.9f}\n")
        fresh.chmod(0o644)  # in a container it is another user who reads it
        fresh.replace(self.file)


def library(environment: Mapping[str, str]) -> Path | None:
    """Return the library to use, None when there is none."""
    named = environment.get(VARIABLE)
    if named:
        return None if named == "none" else Path(named)
    return next((path for path in _candidates() if path.is_file()), None)


def reason(environment: Mapping[str, str]) -> str:
    """Say why clocks cannot be moved here, with the way out; empty when they can.

    The first question about a library starts a process that tries it out.
    """
    if sys.platform != "linux":
        return "the clock of a service can be moved on Linux only"
    found = library(environment)
    if found is None:
        return f"the clock of a service cannot be moved without libfaketime: {HOW_TO_GET}"
    if not found.is_file():
        return f"there is no library {found}, which {VARIABLE} names: correct it, or {HOW_TO_GET}"
    trouble = _trouble(found)
    return f"libfaketime at {found} cannot be used, {trouble} with it: install chat-chaos[clock]" if trouble else ""


def _candidates() -> Iterator[Path]:
    package = find_spec("libfaketime")  # found, not imported: it would load date libraries
    if package is not None and package.submodule_search_locations:
        yield Path(package.submodule_search_locations[0], _IN_PACKAGE)
    for folder in _SYSTEM_FOLDERS:
        for pattern in _IN_SYSTEM:
            yield from sorted(Path(folder).glob(pattern))


@cache
def _trouble(found: Path) -> str:
    """Try the library on a process of this Python; return what goes wrong, empty when nothing does."""
    with tempfile.TemporaryDirectory(prefix="chat-chaos-try-") as folder:
        clock = MovableClock(found, Path(folder, "offset"))
        clock.move(_TRY_OFFSET_S)
        Path(folder, "offset.host").write_text(f"{time.time()} {time.monotonic()}")
        try:
            tried = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _TRY],
                env={**os.environ, **clock.environment()},
                capture_output=True,
                text=True,
                timeout=_TRY_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "a process hangs"
    return "" if tried.returncode == 0 else tried.stderr.strip().splitlines()[-1][:200]
