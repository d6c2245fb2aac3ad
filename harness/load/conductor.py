"""Between the engine, which knows one swarm, and many swarms, whose people Locust's users bring online."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence

import gevent
import msgspec
from gevent.event import Event

from harness.core.plan import LoadStep
from harness.load.crew import Crew
from harness.load.parts import Answer, configurations, online, parts
from harness.load.reports import Reports
from harness.load.starting import Started
from harness.load.statistics import add
from harness.load.swarms import ENDED, Swarms
from harness.load.watching import Counting
from harness.load.wire import Message, Wire

ORPHANED = 1


class Conductor:
    """Carries out one engine's commands."""

    def __init__(self, engine: Wire, started: Sequence[Started], reports: Reports) -> None:
        self._engine = engine
        self._reports = reports
        self._swarms = Swarms(started, self._heard)
        self._sizes: list[int] = []
        self._crew: Crew | None = None
        self._counting = Counting()
        self._ending = False
        self._ended = Event()
        self._own: dict[str, Callable[[Message], Answer]] = {
            "configure": self._configure,
            "begin": self._begin,
            "watch": self._watch,
            "quiesce": self._quiesce,
            "stop": self._stop,
        }

    def serve(self) -> None:
        """Carry out commands until the last one, ``stop``; without an engine this process ends at once."""
        gevent.spawn(self._listen)
        self._ended.wait()
        self._swarms.wait()

    def terminate(self) -> None:
        """The people were told to end in order, as this process was; wait for them."""
        self._ending = True
        self._ended.set()

    def _listen(self) -> None:
        for command in self._engine.messages():
            gevent.spawn(self._carry_out, command)
        # Nobody is left to play for; the swarms see that when this process is gone.
        os._exit(ORPHANED)

    def _carry_out(self, command: Message) -> None:
        do = str(command["do"])
        answer = self._own[do](command) if do in self._own else self._relay(command)
        self._engine.send({**answer, "id": command["id"]})
        if do == "stop":
            self._ended.set()

    def _relay(self, command: Message) -> Answer:
        """What names a device is for those whom the scenario names: they are in the first swarm."""
        return self._swarms.ask_first(command) if "device" in command else self._swarms.ask_all(command)

    def _configure(self, command: Message) -> Answer:
        crowd = command["crowd"]
        self._sizes = parts(crowd["people"], len(self._swarms))
        self._swarms.keep(len(self._sizes))
        answer = self._swarms.ask_each(configurations(command, len(self._sizes)))
        steps = msgspec.convert(crowd["shape"], tuple[LoadStep, ...])
        self._crew = Crew(steps, crowd["people"], self._resize)
        self._reports.start(self._crew.environment)
        return answer

    def _begin(self, command: Message) -> Answer:
        answer = self._swarms.ask_all(command)
        self._the_crew.start()
        return answer

    def _watch(self, command: Message) -> Answer:
        return self._swarms.ask_all(self._counting.divide(command, len(self._sizes)))

    def _quiesce(self, command: Message) -> Answer:
        self._the_crew.end()
        return self._swarms.ask_all(command)

    def _stop(self, command: Message) -> Answer:
        self._ending = True
        answer = self._swarms.ask_all(command)
        if self._crew is not None:
            self._crew.end()
            self._reports.finish(self._crew.environment)
        return answer

    @property
    def _the_crew(self) -> Crew:
        if self._crew is None:
            raise RuntimeError("the engine gave a command before it said who plays")
        return self._crew

    def _resize(self, number: int) -> None:
        sizes = online(number, self._sizes)
        self._swarms.tell(*[{"do": "crowd", "online": size} for size in sizes])

    def _heard(self, swarm: int, message: Message) -> None:
        match message:
            case {"counted": counted}:
                if self._crew is not None:
                    add(self._crew.environment.stats, counted)
            case {"fired": watch}:
                self._fired(watch, message)
            case {"trouble": _}:
                self._engine.send(message)
            case _:
                self._lost(swarm)

    def _fired(self, watch: str, message: Message) -> None:
        if len(self._sizes) == 1:
            self._engine.send(message)
        elif self._counting.is_the_nth(watch):
            self._engine.send(message)
            self._swarms.tell({"do": "unwatch", "watch": watch})

    def _lost(self, swarm: int) -> None:
        """Half a crowd proves nothing: when one process of people has ended, all of them do."""
        if self._ending or swarm >= len(self._swarms):
            return
        self._engine.send({"trouble": ENDED["error"], "hint": ENDED["hint"]})
        os._exit(ORPHANED)


def conduct(control_fd: int, started: Sequence[Started], reports: Reports) -> None:
    """Conduct these swarms for the engine at the other end of an inherited socket until it says that it is over."""
    # Where the output of the people goes: what Locust does with its users is part of their story.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    conductor = Conductor(Wire(socket.socket(fileno=control_fd)), started, reports)
    gevent.signal_handler(signal.SIGTERM, conductor.terminate)
    conductor.serve()
