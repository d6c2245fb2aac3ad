"""The people of a Locust process from the first user to the end of the test."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gevent
from gevent.lock import RLock
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from harness.core.errors import ChatChaosError, EnvironmentFault
from harness.core.ids import new_run_id
from harness.load.addresses import Addresses, guests
from harness.load.guests import Gone, Guests
from harness.load.starting import Started, start_swarm
from harness.load.statistics import METHOD, add
from harness.load.swarms import ENDED

OUT = "CHAT_CHAOS_OUT"
LOST = "chat_chaos_lost"
"""Message from a worker to its master: its people are gone."""
OWN = frozenset({"connect", "sync"})
"""What the swarm counts; sends and deliveries are reported one by one, as Locust's listeners expect it."""

log = logging.getLogger(__name__)

_run = new_run_id("locust")
"""Made before Locust forks (``--processes``), so that all its processes write one history."""


class Playing:
    """Starts the swarm with the first user of a test, and ends it with the test."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._starting = RLock()
        self._started: Started | None = None
        self._guests: dict[Addresses, Guests] = {}
        self._tests = 0
        self._endings: list[gevent.Greenlet] = []
        environment.events.test_stop.add_listener(self._test_stop)  # type: ignore[no-untyped-call]
        environment.events.quitting.add_listener(self._quitting)  # type: ignore[no-untyped-call]

    def prepare(self) -> None:
        """Start the process of the people, which takes a while to load; harmless when it has been started."""
        if self._started is None:
            self._started = start_swarm(own_session=True)

    def guests(self, addresses: Addresses) -> Guests:
        """Return the people of the test that goes on who go there; raises ``UsageError`` or ``EnvironmentFault``."""
        with self._starting:
            if addresses not in self._guests:
                self._guests[addresses] = self._start(addresses)
            return self._guests[addresses]

    def _start(self, addresses: Addresses) -> Guests:
        self._tests += not self._guests
        self.prepare()
        run = _run if self._tests == 1 else f"{_run}-{self._tests}"
        folder = (Path(os.environ.get(OUT) or "chat-chaos-runs") / run).absolute()
        config = guests(addresses, run=run, folder=folder, seed=0)
        worker = max(0, getattr(self._environment.runner, "worker_index", 0))
        # Nobody has the name of somebody else, in whatever process, and whichever way they go.
        label = f"{worker}x{len(self._guests)}" if self._guests else str(worker)
        started, self._started = self._started, None
        assert started is not None  # noqa: S101 - prepared above
        found = Guests(started, config, label=label, counted=self._counted, lost=self._lost)
        found.start()
        return found

    def give_up(self, problem: ChatChaosError) -> None:
        """End the test with one sentence and the problem's exit code."""
        if self._environment.process_exit_code is not None:
            return
        self._environment.process_exit_code = problem.exit_code
        log.error("%s", problem)
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(LOST, {"error": problem.what, "exit_code": problem.exit_code})
        if runner is not None:
            gevent.spawn(runner.quit)

    def failed(self, name: str, problem: Exception) -> None:
        """Report a failure that belongs to no message."""
        report(self._environment, name, None, 0, problem, {})

    def _counted(self, counted: Mapping[str, Any]) -> None:
        times = {name: found for name, found in counted["times"].items() if name in OWN}
        untimed = {name: count for name, count in counted["untimed"].items() if name in OWN}
        failures = [failure for failure in counted["failures"] if failure[0] in OWN]
        add(self._environment.stats, {"times": times, "untimed": untimed, "failures": failures})

    def _lost(self) -> None:
        self.give_up(EnvironmentFault(str(ENDED["error"]), hint="what it recorded until then is kept"))

    def _test_stop(self, **_: object) -> None:
        # Not here and now: a master gives its workers no time for it.
        ending, self._guests = self._guests, {}
        if self._environment.process_exit_code is None:
            self._endings += [gevent.spawn(_end, playing) for playing in ending.values()]

    def _quitting(self, **_: object) -> None:
        if self._environment.runner is not None:
            self._environment.runner.stop()  # after SIGTERM the test goes on until here; else it is over
        gevent.joinall(self._endings)
        if self._started is not None:
            self._started.process.kill()


def _end(playing: Guests) -> None:
    try:
        playing.end()
    except Gone:
        return
    except EnvironmentFault as problem:
        log.error("%s", problem)  # noqa: TRY400 - a sentence for the user, whom a traceback tells nothing
    log.info("history of every message: %s; judge it: chat-chaos check %s", playing.folder, playing.folder / "events")


_all: WeakKeyDictionary[Environment, Playing] = WeakKeyDictionary()


def playing_in(environment: Environment) -> Playing:
    """Return what belongs to one of Locust's environments."""
    if environment not in _all:
        _all[environment] = Playing(environment)
    return _all[environment]


def report(
    environment: Environment,
    name: str,
    ms: float | None,
    length: int,
    problem: Exception | None,
    context: Mapping[str, Any],
) -> None:
    """Tell Locust and its listeners of one request; ``ms`` is None for what answers none."""
    environment.events.request.fire(  # type: ignore[no-untyped-call]
        request_type=METHOD, name=name, response_time=ms, response_length=length, exception=problem, context=context
    )


def _listen(environment: Environment, **_: object) -> None:
    if isinstance(environment.runner, MasterRunner):
        _mourn(environment, environment.runner)
    elif environment.runner is not None:
        playing_in(environment).prepare()


def _mourn(environment: Environment, runner: MasterRunner) -> None:
    """A worker without people ends the whole test: what is left of it would say nothing."""

    def lost(msg: Any, **_: object) -> None:
        if environment.process_exit_code is None:
            environment.process_exit_code = msg.data["exit_code"]
            log.error("worker %s: %s", msg.node_id, msg.data["error"])
            gevent.spawn(runner.quit)

    runner.register_message(LOST, lost)


events.init.add_listener(_listen)  # type: ignore[no-untyped-call]
