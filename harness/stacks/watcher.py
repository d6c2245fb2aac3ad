"""The parent of everything that a run starts; it outlives the harness and clears up after it.

Run as ``python -P -m harness.stacks.watcher --control-fd N --journal PATH`` in a session of its own. Requests are JSON
lines on the inherited stream socket, ``{"id", "do", ...}``, each answered by ``{"id", "ok", ...}``; descriptors travel
beside a request that announces them by ``nfds``. ``{"exited": PID, "status": N}`` comes unasked. When the socket
closes before a ``release``, the harness is dead: faults are undone from the journal, everything that runs below this
process is killed, and the temporary folders are removed, all within five seconds; what a Docker engine holds of the run
is removed by its label within five more.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from harness.stacks import docker_engine, docker_reaper, folders, journal, offspring

_MAX_FDS = 8
# Together less than the five seconds that a dead run may take to vanish.
_UNDO_LIMIT_S = 2.0
_GRACE_S = 1.5
_KILL_LIMIT_S = 1.5
_DOCKER_LIMIT_S = 5.0
# What the harness asked the engine for last may come into being after its death.
_DOCKER_SETTLE_S = 1.5


class Control:
    """The harness's end of the line: requests in, answers and notices out."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fds: list[int] = []
        self._buffer = b""

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the requests that have come in whole, or None when the harness is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 65536, _MAX_FDS)
        except ConnectionError:
            return None
        for fd in fds:
            os.set_inheritable(fd, False)  # noqa: FBT003 - the function takes no keyword
        self.fds.extend(fds)
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one line; a harness that is gone is noticed by ``receive``."""
        with suppress(ConnectionError):
            self.sock.sendall(json.dumps(message).encode() + b"\n")


class Wakeup:
    """Turns the signals that matter into something that can be polled."""

    def __init__(self) -> None:
        self.fd, writing = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(writing, False)
        self.asked_to_end = False
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        for number in (signal.SIGINT, signal.SIGHUP):  # meant for the harness, whose end is heard of anyway
            signal.signal(number, signal.SIG_IGN)

    def wait(self, within_s: float) -> None:
        """Wait for a signal, at most that long."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.poll(max(0, int(within_s * 1000)))
        self.drain()

    def drain(self) -> None:
        """Forget the signals that were seen."""
        with suppress(BlockingIOError):
            while os.read(self.fd, 512):
                pass

    def _end(self, *_: object) -> None:
        self.asked_to_end = True


class Watcher:
    """The books of one run, and what can be asked of them."""

    def __init__(self, control: Control, wakeup: Wakeup, journaled: str) -> None:
        self._control = control
        self._wakeup = wakeup
        self._journal = journaled
        self._folders: list[str] = []
        self._docker: tuple[str, str] | None = None
        self._offspring = offspring.Offspring(lambda pid, status: control.send({"exited": pid, "status": status}))

    def serve(self) -> bool:
        """Answer until the run is over; True when it was released, False when the harness vanished."""
        poll = select.poll()
        poll.register(self._control.sock, select.POLLIN)
        poll.register(self._wakeup.fd, select.POLLIN)
        while not self._wakeup.asked_to_end:
            ready = [fd for fd, _ in poll.poll()]
            if self._wakeup.fd in ready:
                self._wakeup.drain()
                self._offspring.reap()
            if self._control.sock.fileno() in ready and (released := self._hear()) is not None:
                return released
        return False

    def end(self, *, released: bool) -> None:
        """Take back every fault in force, end every process, remove every temporary folder."""
        started = time.monotonic()
        # Nothing is forked any more, so another thread does no harm.
        docker = threading.Thread(target=self._clear_docker, args=(0.0 if released else _DOCKER_SETTLE_S,))
        if not released:
            docker.start()  # it takes longest
        pending = journal.outstanding(self._journal)
        undone = journal.carry_out(pending, within_s=_UNDO_LIMIT_S)
        if released:
            self._offspring.terminate(self._wakeup.wait, _GRACE_S)
        self._offspring.kill(self._wakeup.wait, _KILL_LIMIT_S)
        if released:
            docker.start()
        for folder in self._folders:
            folders.remove(folder)
        docker.join()
        if not released:
            took = time.monotonic() - started
            _say(f"the harness is gone: {undone} of {len(pending)} undo requests answered, cleared in {took:.2f} s")

    def _hear(self) -> bool | None:
        """Carry out what was asked; True when the run was released, False when the harness vanished, else None."""
        requests = self._control.receive()
        if requests is None:
            return False
        for request in requests:
            if request["do"] == "release":
                return True
            self._answer(request)
        return None

    def _answer(self, request: dict[str, Any]) -> None:
        command: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "spawn": self._spawn,
            "signal": self._signal,
            "temporary_folder": self._temporary_folder,
            "docker": self._note_docker,
        }
        try:
            self._control.send({"id": request["id"], "ok": True, **command[request["do"]](request)})
        except OSError as failure:
            self._control.send({"id": request["id"], "ok": False, "errno": failure.errno, "what": failure.filename})

    def _spawn(self, request: dict[str, Any]) -> dict[str, int]:
        passed = [self._control.fds.pop(0) for _ in range(request["nfds"])]
        try:
            argv = [_filled(word, passed) for word in request["argv"]]
            pid = offspring.start_program(argv, env=request["env"], cwd=request["cwd"], log=request["log"], keep=passed)
        finally:
            for fd in passed:
                os.close(fd)
        self._offspring.add(pid, request["name"])
        return {"pid": pid}

    def _signal(self, request: dict[str, Any]) -> dict[str, int]:
        self._offspring.signal(request["pid"], request["signal"])
        return {}

    def _temporary_folder(self, request: dict[str, Any]) -> dict[str, str]:
        # The lock stays open for life: it is what says that the folder has an owner.
        folder, _ = folders.make(request["root"], request["name"], journal=self._journal)
        self._folders.append(folder)
        return {"folder": folder}

    def _note_docker(self, request: dict[str, Any]) -> dict[str, str]:
        self._docker = request["address"], request["run"]
        return {}

    def _clear_docker(self, settle_s: float) -> None:
        if self._docker is None:
            return
        address, run = self._docker
        engine = docker_engine.Engine(address)
        try:
            left = docker_reaper.remove_run(engine, run, within_s=_DOCKER_LIMIT_S, settle_s=settle_s)
        except docker_engine.EngineTrouble as trouble:
            _say(f"what the run has in Docker is left to the next start: {trouble}")
            return
        if left:
            _say(f"{left} things of the run could not be removed from Docker: the next start tries again")


def _filled(word: str, passed: list[int]) -> str:
    for index, fd in enumerate(passed):
        word = word.replace(f"{{fd{index}}}", str(fd))
    return word


def _say(sentence: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} watcher: {sentence}\n")


def main() -> None:
    """Serve one run over the inherited socket, then clear up."""
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    offspring.adopt_orphans()
    os.chdir("/")  # hold no folder that somebody may want to remove
    with socket.socket(fileno=int(arguments["--control-fd"])) as sock:
        watcher = Watcher(Control(sock), Wakeup(), arguments["--journal"])
        watcher.end(released=watcher.serve())


if __name__ == "__main__":
    main()
