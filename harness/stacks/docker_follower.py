"""Writes a container's output to its log while it runs."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from harness.stacks.docker_engine import Engine, EngineTrouble, plain


class Follower(threading.Thread):
    """Follows one container from its first line to its end, in a thread that nobody has to wait for.

    The file is written anew, since the engine keeps the output of earlier starts too. What is missing at the end, as
    when this process is killed, is added by whoever removes the container.
    """

    def __init__(self, engine: Engine, container: str, log: Path) -> None:
        super().__init__(name=f"log {log.name}", daemon=True)
        self._engine = engine
        self._path = f"/containers/{container}/logs"
        self._log = log

    def run(self) -> None:
        """Copy until the container ends."""
        query = {"follow": "1", "stdout": "1", "stderr": "1"}
        said = plain(self._engine.stream("GET", self._path, within_s=None, query=query))
        with suppress(EngineTrouble, OSError), self._log.open("wb", buffering=0) as file:
            for piece in said:
                file.write(piece)
