"""One of Locust's workers: a conductor that takes its commands from the master's."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent
import locust.runners
from gevent.fileobject import FileObject
from locust.runners import WorkerRunner

from harness.core.errors import EnvironmentFault
from harness.load.channel import CHANNEL, JOIN, introduction
from harness.load.collecting import pieces
from harness.load.conductor import LOG_FORMAT, ORPHANED, Conductor
from harness.load.crew import Crew
from harness.load.starting import Started
from harness.load.swarms import Heard, Part, swarm_processes
from harness.load.wire import Message

MASTER_SILENT_S = 15.0
"""A master that says nothing for so long is gone; it says something each second."""
REPORT_EVERY_S = 1.0
"""How often the master gets statistics: as often as it would see them without workers."""

log = logging.getLogger(__name__)


class Station:
    """The swarms of one worker (``harness.load.conductor.Players``), and where they write."""

    def __init__(self, started: Sequence[Started]) -> None:
        self._started = started
        self.own_folder: Path | None = None
        """Where the history is, when it is not in the run's folder."""

    def assemble(self, heard: Heard) -> Sequence[Part]:
        """They were started before Locust was."""
        return swarm_processes(self._started, heard)

    def tailored(self, part: int, command: Message) -> Message:  # noqa: ARG002 - the Protocol's
        """A worker of another machine has a folder of its own."""
        if command["events"]:
            return command
        if self.own_folder is None:
            self.own_folder = Path(tempfile.mkdtemp(prefix="chat-chaos-worker-"))
        return {**command, "events": str(self.own_folder / "events")}

    def collect(self, into: Path) -> None:
        """The master asks for it."""

    def files(self, command: Message) -> Message:
        """Answer the master's question for files."""
        if self.own_folder is None:
            return {"ok": False, "error": "nothing was recorded here", "hint": ""}
        return {"ok": True, **pieces(self.own_folder / "events", command)}


def work(started: Sequence[Started], host: str, port: int, *, with_parent: bool) -> None:
    """Play for the master at this address until it says that it is over; raises ``EnvironmentFault``."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    if with_parent:
        gevent.spawn(_end_with_parent)
    locust.runners.WORKER_REPORT_INTERVAL = REPORT_EVERY_S
    station = Station(started)
    crew = Crew(lambda environment: environment.create_worker_runner(host, port))
    runner = crew.runner
    assert isinstance(runner, WorkerRunner)  # noqa: S101 - for the type checker

    def send(message: Message) -> None:
        runner.send_message(CHANNEL, message)

    conductor = Conductor(send, station, crew)

    def take(msg: Any, **_: object) -> None:
        command = msg.data
        match command["do"]:
            case "time":
                send({"id": command["id"], "ok": True, "mono_ns": time.monotonic_ns()})
            case "files":
                send({"id": command["id"], **station.files(command)})
            case _:
                gevent.spawn(conductor.carry_out, command)

    runner.register_message(CHANNEL, take)
    gevent.signal_handler(signal.SIGTERM, runner.greenlet.kill)
    gevent.spawn(_end_without_master, runner, station)
    runner.send_message(JOIN, introduction())
    log.info("joined the master at %s:%d", host, port)
    runner.greenlet.join()
    if not conductor.ended.is_set():
        raise EnvironmentFault("the master ended the run before it was over", hint=_kept(station))
    conductor.wait()
    log.info("the run is over; its history is where the master is")
    if station.own_folder is not None:
        shutil.rmtree(station.own_folder)


def _end_with_parent() -> None:
    """The master started this process, and its end of the standard input is gone when it is."""
    FileObject(sys.stdin.buffer, "rb").read()
    os._exit(ORPHANED)


def _end_without_master(runner: WorkerRunner, station: Station) -> None:
    while True:
        gevent.sleep(1.0)
        last = runner.last_heartbeat_timestamp
        if last is not None and time.time() - last > MASTER_SILENT_S:
            problem = EnvironmentFault(
                f"the master at {runner.master_host}:{runner.master_port} said nothing for {MASTER_SILENT_S:g} s",
                hint=_kept(station),
            )
            sys.stderr.write(f"{problem}\n")
            sys.stderr.flush()
            os._exit(problem.exit_code)


def _kept(station: Station) -> str:
    if station.own_folder is None:
        return "see its output"
    return f"see its output; what was recorded here is kept: chat-chaos check {station.own_folder / 'events'}"
