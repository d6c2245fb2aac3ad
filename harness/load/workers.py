"""All of Locust's workers, here and elsewhere: how they come together, and what they recorded."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import STATE_MISSING, MasterRunner

from harness import __version__
from harness.core.errors import EnvironmentFault
from harness.history.recorder import Recorder
from harness.load.channel import CHANNEL, JOIN, Joined
from harness.load.collecting import fetch
from harness.load.machine import this_machine
from harness.load.remote import Worker
from harness.load.swarms import Heard, Part
from harness.load.wire import Message

MEASURE_EVERY_S = 10.0
LOST_AFTER_S = 3.0
"""A worker that Locust has missed for so long is lost. Locust takes 4 s to miss one, the engine waits 10 s."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Post:
    """Where the master listens, how many workers it has here and waits for, and how long (seconds)."""

    host: str
    port: int
    here: int
    elsewhere: int
    swarms: int
    within_s: float

    @property
    def expected(self) -> int:
        """How many workers there are to be."""
        return self.here + self.elsewhere


class Workers:
    """All workers of a run (``harness.load.conductor.Players``)."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._here = this_machine()
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        self._workers: dict[str, Worker] = {}
        self._changed = Event()
        self._parts: list[Worker] = []
        self._runner: MasterRunner

    def take(self, runner: MasterRunner) -> None:
        """Use this master, and start its workers on this machine."""
        self._runner = runner
        runner.register_message(JOIN, self._joined)
        runner.register_message(CHANNEL, self._message)
        for _ in range(self._post.here):
            self._start(runner.server.port)

    def _start(self, port: int) -> None:
        words = ["--master-host", "127.0.0.1", "--master-port", str(port), "--swarms", str(self._post.swarms)]
        command = [sys.executable, "-m", "harness.load.work", *words, "--with-parent"]
        # Its standard input ends when this process does, however that happens.
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self._started[process.pid] = process
        gevent.spawn(self._wait_for, process)

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        for worker in self._workers.values():
            if worker.process is process:
                worker.end()
        self._changed.set()

    def _joined(self, msg: Any, **_: object) -> None:
        joined = Joined.read(msg.node_id, msg.data)
        process = self._started.get(joined.pid) if joined.machine == self._here else None
        worker = Worker(self._runner, joined, process)
        if len(self._workers) >= self._post.expected:
            log.warning("%s is one too many, and was sent away", worker.name)
            worker.send_away()
            return
        self._workers[msg.node_id] = worker
        self._changed.set()

    def _message(self, msg: Any, **_: object) -> None:
        worker = self._workers.get(msg.node_id)
        if worker is not None:
            worker.take(msg.data)

    def assemble(self, heard: Heard) -> Sequence[Part]:
        """Wait for all workers; those of this machine come first."""
        with gevent.Timeout(self._post.within_s, False):  # noqa: FBT003 - gevent's way to say: raise nothing
            while len(self._workers) < self._post.expected and not self._dead:
                self._changed.wait()
                self._changed.clear()
        self._parts = sorted(self._workers.values(), key=lambda worker: not worker.writes_here)
        self._check()
        for index, worker in enumerate(self._parts):
            worker.begin(partial(heard, index))
        gevent.spawn(self._look_after)
        if self._with_other_clocks:
            self._measure()
            gevent.spawn(self._go_on_measuring)
        return self._parts

    @property
    def _dead(self) -> list[int]:
        return [pid for pid, process in self._started.items() if process.poll() is not None]

    def _check(self) -> None:
        if self._dead:
            raise EnvironmentFault("a Locust worker ended before it had joined", hint="see logs/swarm.log")
        if len(self._parts) < self._post.expected:
            raise EnvironmentFault(
                f"{len(self._parts)} of {self._post.expected} Locust workers joined within {self._post.within_s:g} s",
                hint="start the others: chat-chaos load --worker --master-host HOST --master-port "
                f"{self._runner.server.port}",
            )
        for worker in self._parts:
            if worker.joined.version != __version__:
                raise EnvironmentFault(
                    f"{worker.name} runs chat-chaos {worker.joined.version}, this is {__version__}",
                    hint="install the same version everywhere",
                )

    def tailored(self, part: int, command: Message) -> Message:
        """Workers that were started elsewhere write into a folder of their own, and must reach the addresses."""
        worker = self._parts[part]
        if worker.writes_here:
            return command
        if worker.joined.machine.network != self._here.network:
            worker.refuse_loopback(command)
        return {**command, "events": ""}

    def collect(self, into: Path) -> None:
        """Fetch what was recorded elsewhere, and note how far the clocks there can be trusted.

        Raises ``EnvironmentFault`` when something is missing, after all the rest has been fetched.
        """
        self._measure()
        missing: list[str] = []
        for worker in self._parts:
            if worker.writes_here:
                continue
            try:
                offsets = worker.offsets if worker in self._with_other_clocks else None
                fetch(worker.now, into, worker.joined.machine.clock, offsets)
            except (EnvironmentFault, OSError) as problem:
                missing.append(f"the events of {worker.name} could not be fetched: {problem}")
        self._note(into)
        if missing:
            raise EnvironmentFault("; ".join(missing), hint="what was recorded there is left there: see its output")

    @property
    def _with_other_clocks(self) -> list[Worker]:
        return [worker for worker in self._parts if worker.joined.machine.clock != self._here.clock]

    def _measure(self) -> None:
        for worker in self._with_other_clocks:
            try:
                worker.measure()
            except EnvironmentFault as problem:
                log.warning("the clock of %s was not measured: %s", worker.name, problem.what)

    def _go_on_measuring(self) -> None:
        while True:
            gevent.sleep(MEASURE_EVERY_S)
            self._measure()

    def _note(self, into: Path) -> None:
        clocks = [worker for worker in self._with_other_clocks if worker.offsets.measured]
        if not clocks:
            return
        recorder = Recorder(into, run=into.parent.name, role="conductor", observer="engine")
        for worker in clocks:
            recorder.record(
                "clock_measured",
                detail={
                    "of": worker.joined.machine.clock,
                    "machine": worker.joined.machine.name,
                    "offset_ns": worker.offsets.measured[-1].offset_ns,
                    "error_ns": worker.offsets.error_ns,
                    "measurements": len(worker.offsets.measured),
                },
            )
        recorder.close()

    def _look_after(self) -> None:
        """Notice who is silent: nobody tells of the end of a machine."""
        silent_since: dict[str, float] = {}
        while True:
            gevent.sleep(1.0)
            for worker in self._parts:
                client = self._runner.clients.get(worker.joined.client)
                if client is None or client.state != STATE_MISSING:
                    silent_since.pop(worker.joined.client, None)
                elif time.monotonic() - silent_since.setdefault(worker.joined.client, time.monotonic()) > LOST_AFTER_S:
                    worker.end()
