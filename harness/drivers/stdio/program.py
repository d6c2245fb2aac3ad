"""A running client program: lines in, lines out, and in which order what several of them say is heard."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import EnvironmentFault
from harness.drivers.stdio.lines import MAX_LINE, BadLine, Said, Shows, decode
from harness.drivers.stdio.options import Command

_CHUNK = 65536
_LAST_WORDS = 3

Hear = Callable[[Said], None]
Broke = Callable[[str, str], None]
"""Called with a code and a sentence when a program ends or writes what is no line."""


@dataclass(slots=True)
class _Source:
    """The standard output of one program."""

    hear: Hear
    broke: Broke
    rest: bytes = b""
    number: int = 0
    heard: list[Said] = field(default_factory=list)


class Listening:
    """Hears all client programs of a run.

    What one client shows may rest on what another one said before, through the service and both their pipes. So before
    a claim counts, everything is read that was written before it.
    """

    def __init__(self) -> None:
        self._sources: dict[int, _Source] = {}

    def add(self, fd: int, hear: Hear, broke: Broke) -> None:
        """Hear a program's lines from now on; the descriptor is owned and closed at the end of its file."""
        os.set_blocking(fd, False)
        self._sources[fd] = _Source(hear, broke)
        asyncio.get_running_loop().add_reader(fd, self._ready, fd)

    def drop(self, fd: int) -> None:
        """Hear a program no more; harmless when it is not heard."""
        if self._sources.pop(fd, None) is not None:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)

    def drain(self, fd: int) -> None:
        """Hear what a program has written up to now."""
        if fd in self._sources:
            self._ready(fd)

    def _ready(self, fd: int) -> None:
        self._read(fd)
        if any(isinstance(said, Shows) for said in self._sources[fd].heard):
            for other in list(self._sources):
                self._read(other)
        claims = []
        for source in list(self._sources.values()):
            heard, source.heard = source.heard, []
            for said in heard:
                if isinstance(said, Shows):
                    claims.append((source.hear, said))
                else:
                    source.hear(said)
        for hear, claim in claims:
            hear(claim)
        if (mine := self._sources.get(fd)) is not None and mine.number < 0:
            self.drop(fd)

    def _read(self, fd: int) -> None:
        source = self._sources[fd]
        while source.number >= 0:
            try:
                chunk = os.read(fd, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            if not chunk:
                source.number = -1  # the end of the file; whoever waits for the process hears of its end
                return
            self._take(source, chunk)

    def _take(self, source: _Source, chunk: bytes) -> None:
        *lines, source.rest = (source.rest + chunk).split(b"\n")
        for line in lines:
            source.number += 1
            try:
                source.heard.append(decode(line))
            except BadLine as bad:
                source.broke("bad_line", f"line {source.number} of its output is not of the protocol: {bad}")
                source.number = -1
                return
        if len(source.rest) > MAX_LINE:
            source.broke("bad_line", f"line {source.number + 1} of its output is longer than {MAX_LINE} bytes")
            source.number = -1


class Program:
    """One client program of one device; started at once by ``start``."""

    def __init__(self, process: asyncio.subprocess.Process, reading: int, listening: Listening, log: Path) -> None:
        self._process = process
        self._reading = reading
        self._listening = listening
        self._log = log

    @classmethod
    async def start(cls, command: Command, log: Path, listening: Listening, hear: Hear, broke: Broke) -> Program:
        """Start it with its errors going to ``log``; raises ``EnvironmentFault`` when that cannot be done."""
        reading, writing = os.pipe()
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as errors:
                process = await asyncio.create_subprocess_exec(
                    *command.argv, cwd=command.folder, stdin=asyncio.subprocess.PIPE, stdout=writing, stderr=errors
                )
        except OSError as problem:
            os.close(reading)
            raise EnvironmentFault(
                f"the client program could not be started: {command.shown}: {problem.strerror}",
                hint="correct `run` of the stack file's driver; it is started in the stack file's folder",
            ) from None
        finally:
            os.close(writing)
        listening.add(reading, hear, broke)
        return cls(process, reading, listening, log)

    def tell(self, line: bytes) -> None:
        """Write a line to it; one that has ended hears nothing."""
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line)

    async def ended(self) -> int:
        """Wait for its end; return the exit status, negative for a signal. All that it said has been heard then."""
        status = await self._process.wait()
        self._listening.drain(self._reading)
        return status

    async def stop(self, line: bytes, within_s: float) -> None:
        """Ask it to end, and kill it when it has not in time."""
        self.tell(line)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._listening.drain(self._reading)
        self._listening.drop(self._reading)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def last_words(self) -> str:
        """Return the last lines of what it wrote to its standard error."""
        lines = self._log.read_text(errors="replace").strip().splitlines()[-_LAST_WORDS:]
        return " / ".join(lines) or "nothing"
