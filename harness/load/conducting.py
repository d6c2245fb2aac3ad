"""The engine's conductor as a process: with swarms of its own, or as the master of Locust's workers."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, Runner

from harness.load.conductor import LOG_FORMAT, ORPHANED, Conductor, Players
from harness.load.crew import Crew, Run
from harness.load.reports import Reports
from harness.load.starting import Started
from harness.load.swarms import Heard, Part, swarm_processes
from harness.load.wire import Message, Wire
from harness.load.workers import Post, Workers


class OwnSwarms:
    """Swarm processes on this machine, which write into the run's folder themselves."""

    def __init__(self, started: Sequence[Started]) -> None:
        self._started = started

    def assemble(self, heard: Heard) -> Sequence[Part]:
        """They were started before Locust was."""
        return swarm_processes(self._started, heard)

    def tailored(self, part: int, command: Message) -> Message:  # noqa: ARG002 - the Protocol's
        """All get the same."""
        return command

    def collect(self, into: Path) -> None:
        """Everything is there."""


def conduct(engine: Wire, started: Sequence[Started], reports: Reports) -> None:
    """Conduct these swarms for the engine until it says that it is over."""
    _conduct(engine, OwnSwarms(started), reports, Environment.create_local_runner)


def lead(engine: Wire, post: Post, reports: Reports) -> None:
    """Conduct Locust's workers for the engine until it says that it is over."""
    workers = Workers(post)

    def run(environment: Environment) -> Runner:
        runner = environment.create_master_runner(post.host, post.port)
        workers.take(runner)
        return runner

    _conduct(engine, workers, reports, run)


def _conduct(engine: Wire, players: Players, reports: Reports, run: Run) -> None:
    # Where the output of the people goes: what Locust does with its users is part of their story.
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    crew = Crew(run)
    conductor = Conductor(engine.send, players, crew, reports)
    gevent.signal_handler(signal.SIGTERM, conductor.terminate)
    gevent.spawn(_listen, engine, conductor, crew.runner)
    conductor.ended.wait()
    conductor.wait()


def _listen(engine: Wire, conductor: Conductor, runner: Runner) -> None:
    for command in engine.messages():
        gevent.spawn(conductor.carry_out, command)
    # Nobody is left to play for; those below see that when this process is gone, or are told.
    if isinstance(runner, MasterRunner):
        with gevent.Timeout(1.0, False):  # noqa: FBT003 - gevent's way to say: raise nothing
            runner.quit()
    os._exit(ORPHANED)
