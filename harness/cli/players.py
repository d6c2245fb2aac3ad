"""Who plays the people of a load run: swarms here, Locust workers here, Locust workers elsewhere."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness.core.errors import UsageError

HERE_WITHIN_S = 20.0
"""How long processes on this machine may take to load."""
MORE_S = 10.0
"""How much longer than its workers a master may take."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """What was asked for: workers here, workers ``elsewhere`` that join at an address, swarms of each, files."""

    processes: int
    elsewhere: int
    bind_host: str
    bind_port: int
    wait_s: float
    swarms: int | None
    web: int | None
    csv: str | None
    html: Path | None

    def check(self) -> None:
        """Raise ``UsageError`` for a port that is not free: better now than in the middle of a run."""
        if self.web:
            _check_port("--web", LOOPBACK, self.web)
        if self.elsewhere:
            _check_port("--master-bind-port", self.bind_host, self.bind_port)

    @property
    def within_s(self) -> float:
        """How long the engine has to wait for all of them."""
        return (self.wait_s if self.elsewhere else HERE_WITHIN_S) + MORE_S

    def words(self) -> tuple[str, ...]:
        """Return the module, with arguments, that plays the people; paths are the user's, wherever it runs."""
        return ("harness.load", *self._words())

    def _words(self) -> Iterator[str]:
        workers = self.processes or self.elsewhere
        yield from ("--swarms", str(self.swarms or (1 if workers else max(1, (os.cpu_count() or 1) - 1))))
        if self.web:
            yield from ("--web", str(self.web))
        if self.csv:
            yield from ("--csv", str(Path(self.csv).absolute()))
        if self.html:
            yield from ("--html", str(self.html.absolute()))
        if self.processes:
            yield from ("--processes", str(self.processes))
        if self.elsewhere:
            yield from ("--expect-workers", str(self.elsewhere), "--within", str(self.wait_s))
            yield from ("--bind-host", self.bind_host, "--bind-port", str(self.bind_port))


def work_for(host: str, port: int, swarms: int) -> NoReturn:
    """Become a worker for the master at this address: signals and exit code are then its own."""
    words = ["--master-host", host, "--master-port", str(port), "--swarms", str(swarms)]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "harness.load.work", *words])  # noqa: S606 - there is no shell to want


def _check_port(flag: str, host: str, port: int) -> None:
    try:
        socket.create_server(("" if host == "*" else host, port)).close()
    except OSError as problem:
        raise UsageError(f"{flag} {port}: {problem.strerror}", hint="choose a port that nothing listens on") from None
