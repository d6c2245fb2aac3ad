"""The harness's side of the watcher: programs started, signalled and waited for, without ever polling."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from harness.core.errors import EnvironmentFault
from harness.stacks.logs import last_lines
from harness.stacks.offspring import FOLDER, PROGRAM
from harness.stacks.prune import sweep

_ANSWER_LIMIT_S = 10.0
_SEND_LIMIT_S = 5.0
_RELEASE_LIMIT_S = 6.0
_DOCKER_RELEASE_LIMIT_S = 12.0


class Watcher:
    """The parent of all processes of one run (``harness.stacks.api.Processes``); make one with ``start``."""

    def __init__(self, sock: socket.socket, process: subprocess.Popen[bytes], run: str, log: Path) -> None:
        self._sock = sock
        self._process = process
        self._run = run
        self._log = log
        self._buffer = b""
        self._requests = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ended: dict[int, asyncio.Event] = {}
        self._statuses: dict[int, int] = {}
        self._gone = asyncio.Event()
        self._release_limit_s = _RELEASE_LIMIT_S

    @classmethod
    @asynccontextmanager
    async def start(cls, journal: Path, *, run: str) -> AsyncIterator[Self]:
        """Start a watcher for one run and, at the end, have it end every process and remove every temporary folder.

        ``journal`` is where the run notes its faults (``harness.stacks.journal``); the watcher's own log goes to
        ``logs/watcher.log`` beside it. What dead runs left behind is removed first.
        """
        await asyncio.to_thread(sweep)
        ours, theirs = socket.socketpair()
        ours.settimeout(_SEND_LIMIT_S)
        log = journal.parent / "logs" / "watcher.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs:
            try:
                process = _start(theirs.fileno(), _absolute(journal), log)
            except OSError as problem:
                ours.close()
                raise EnvironmentFault(
                    f"cannot start the watcher process: {problem}", hint="the machine is short of processes or memory"
                ) from None
        watcher = cls(ours, process, run, log)
        asyncio.get_running_loop().add_reader(ours, watcher._receive)
        try:
            yield watcher
        finally:
            await watcher._release()

    @property
    def pid(self) -> int:
        """Pid of the watcher itself."""
        return self._process.pid

    async def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> int:
        """Start a program with exactly this environment in a session of its own; return its pid once it runs.

        Output is appended to ``log``. Each of ``pass_fds`` is inherited under the number that replaces ``{fd0}``,
        ``{fd1}`` … in ``argv``; the caller keeps its own. Raises ``EnvironmentFault`` when it cannot be started.
        """
        folder = _absolute(cwd or Path())
        log.parent.mkdir(parents=True, exist_ok=True)
        request = {"name": name, "argv": list(argv), "env": dict(env), "cwd": folder, "log": _absolute(log)}
        answer = await self._ask("spawn", request, pass_fds)
        if not answer["ok"]:
            raise _not_started(name, argv[0], folder, answer)
        return int(answer["pid"])

    async def signal(self, pid: int, signal: int) -> None:
        """Send a signal to a program and its process group; one that is gone is no error."""
        await self._ask("signal", {"pid": pid, "signal": int(signal)})

    async def wait_exit(self, pid: int, within_s: float) -> int | None:
        """Return the exit status (negative: the signal), or None when it still runs after that long.

        Raises ``EnvironmentFault`` when the watcher died meanwhile, ``KeyError`` for a pid it never started.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._ended[pid].wait()
        except TimeoutError:
            return None
        if pid not in self._statuses:
            raise self._fault()
        return self._statuses[pid]

    def exit_status(self, pid: int) -> int | None:
        """The exit status if the process has ended, else None."""
        return self._statuses.get(pid)

    async def temporary_folder(self, name: str) -> Path:
        """Make a folder that is removed with the run, even after SIGKILL of the harness."""
        request = {"name": f"{self._run}-{name}", "root": tempfile.gettempdir()}
        answer = await self._ask("temporary_folder", request)
        if not answer["ok"]:
            reason = os.strerror(answer["errno"])
            raise EnvironmentFault(
                f"cannot make a temporary folder under {request['root']}: {reason}",
                hint="make room there, or set TMPDIR to a folder that may be written to",
            )
        return Path(answer["folder"])

    async def clear_docker(self, address: str, run: str) -> None:
        """Have whatever a Docker engine holds under the label of a run removed with it, even after SIGKILL."""
        self._release_limit_s = _DOCKER_RELEASE_LIMIT_S
        await self._ask("docker", {"address": address, "run": run})

    async def _ask(self, do: str, request: Mapping[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        self._requests += 1
        number = self._requests
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._send({"id": number, "do": do, "nfds": len(fds), **request}, fds)
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                return await answer
        except TimeoutError:
            raise self._fault() from None
        finally:
            self._answers.pop(number, None)

    def _send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """Send one whole line; synchronous, so that no cancellation can leave half a line behind.

        The watcher reads all the time, so this waits only when it is dead or stopped.
        """
        if self._gone.is_set():
            raise self._fault()
        line = json.dumps(message).encode() + b"\n"
        try:
            sent = socket.send_fds(self._sock, [line], list(fds)) if fds else 0
            self._sock.sendall(line[sent:])
        except OSError:
            raise self._fault() from None

    def _receive(self) -> None:
        try:
            data = self._sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._close()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "exited" in message:
            self._statuses[message["exited"]] = message["status"]
            self._ended[message["exited"]].set()
            return
        if "pid" in message:  # booked here, in order with the notices: a reused pid must not look ended
            self._statuses.pop(message["pid"], None)
            self._ended[message["pid"]] = asyncio.Event()
        answer = self._answers.get(message["id"])
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _close(self) -> None:
        """Hang up; whoever still waits is told."""
        if self._gone.is_set():
            return
        self._gone.set()
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self._fault())
        for ended in self._ended.values():
            ended.set()

    async def _release(self) -> None:
        """Have everything ended in order; a watcher that does not manage it in time is killed."""
        try:
            if not self._gone.is_set():
                self._send({"id": 0, "do": "release", "nfds": 0})
            async with asyncio.timeout(self._release_limit_s):
                await self._gone.wait()
        except (TimeoutError, EnvironmentFault):
            self._process.kill()
        finally:
            # When cancelled, hanging up makes the watcher clear up without grace; otherwise it has ended already.
            self._close()
            self._bury()

    def _bury(self) -> None:
        try:
            self._process.wait(self._release_limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _fault(self) -> EnvironmentFault:
        try:
            # Its end of the line closes just before it ends.
            status = self._process.wait(1.0 if self._gone.is_set() else 0.0)
        except subprocess.TimeoutExpired:
            status = None
        how = "does not answer" if status is None else f"ended with status {status}"
        return EnvironmentFault(
            f"the watcher process of run {self._run} {how}; {last_lines(self._log)}",
            hint="the services of the run ended with it: run again, and look for what kills processes on this machine",
        )


def _absolute(path: Path) -> str:
    """The watcher stands elsewhere, so that every path it is told must be absolute."""
    return str(path.absolute())


def _start(fd: int, journal: str, log: Path) -> subprocess.Popen[bytes]:
    """Start the watcher in a session of its own, so that Ctrl-C in the terminal reaches only the harness."""
    # -P: a folder named harness, or a json.py, where the user happens to stand must not be imported.
    command = [sys.executable, "-P", "-m", "harness.stacks.watcher", "--control-fd", str(fd), "--journal", journal]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(fd,),
            start_new_session=True,
        )


def _not_started(name: str, program: str, folder: str, answer: Mapping[str, Any]) -> EnvironmentFault:
    reason = os.strerror(answer["errno"])
    if answer["what"] == FOLDER:
        return EnvironmentFault(f"cannot start {name} in {folder}: {reason}", hint="correct the folder it is to run in")
    if answer["what"] == PROGRAM:
        missing = answer["errno"] == errno.ENOENT
        return EnvironmentFault(
            f"cannot start {name}: there is no program {program}"
            if missing
            else f"cannot start {name}: {program}: {reason}",
            hint=f"install {program}, or correct the program that the stack file runs",
        )
    return EnvironmentFault(
        f"cannot start {name}: {answer['what']}: {reason}", hint="make room, or correct the permissions"
    )
