"""Between a superior, who knows one swarm, and many swarms, whose people Locust's users bring online.

On one machine the engine's conductor has the swarm processes as its parts. Where Locust has workers, each worker is a
conductor of its own swarms, and the engine's one has the workers as its parts: commands and answers are the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import gevent
import msgspec
from gevent.event import Event
from gevent.lock import RLock

from harness.core.errors import ChatChaosError, EnvironmentFault
from harness.core.plan import LoadStep
from harness.load.crew import Crew
from harness.load.parts import Answer, configurations, online, parts
from harness.load.reports import Reports
from harness.load.statistics import add
from harness.load.swarms import Heard, Part, Parts
from harness.load.watching import Counting
from harness.load.wire import Message

ORPHANED = 1
LOG_FORMAT = "%(asctime)s %(name)s: %(message)s"
GIVE_UP_WITHIN_S = 20.0
"""How long those who are left may take to end in order when one of them is lost."""

Send = Callable[[Message], None]
"""Answers the superior, or tells it something."""


class Players(Protocol):
    """Where the parts come from, and what sets them apart."""

    def assemble(self, heard: Heard) -> Sequence[Part]:
        """Return those who play; raises ``EnvironmentFault`` when they are not there in time."""
        ...

    def tailored(self, part: int, command: Message) -> Message:
        """Return the command ``configure`` as this part needs it; raises ``EnvironmentFault`` when it cannot play."""
        ...

    def collect(self, into: Path) -> None:
        """Bring what the parts recorded elsewhere into the folder of events.

        Raises ``EnvironmentFault`` when something is missing.
        """
        ...


class Conductor:
    """Carries out the commands of one superior, with the help of its parts.

    With ``reports`` it leads: it lets Locust's users come, and shows what they did. Without, it is a worker's.
    """

    def __init__(self, send: Send, players: Players, crew: Crew, reports: Reports | None = None) -> None:
        self._send = send
        self._players = players
        self._crew = crew
        self._reports = reports
        self._parts = Parts([])
        self._sizes: list[int] = []
        self._users: dict[int, int] = {}
        self._folder = Path()
        self._counting = Counting()
        self._ending = False
        self._closing = RLock()
        self._closed: Answer | None = None
        self.ended = Event()
        """Set when the last command was carried out."""
        self._own: dict[str, Callable[[Message], Answer]] = {
            "configure": self._configure,
            "begin": self._begin,
            "crowd": self._bring,
            "watch": self._watch,
            "quiesce": self._quiesce,
            "stop": self._stop,
        }
        crew.follow(self._resize if reports is not None else lambda users: send({"users": users}))

    def carry_out(self, command: Message) -> None:
        """Carry out a command and answer it."""
        do = str(command["do"])
        try:
            answer = self._own[do](command) if do in self._own else self._relay(command)
        except ChatChaosError as problem:
            answer = {"ok": False, "error": problem.what, "hint": problem.hint}
        self._send({**answer, "id": command["id"]})
        if do == "stop":
            self.ended.set()

    def terminate(self) -> None:
        """The people were told to end in order, as this process was; wait for them."""
        self._ending = True
        self.ended.set()

    def wait(self) -> None:
        """Wait until all parts have ended."""
        self._parts.wait()

    def _relay(self, command: Message) -> Answer:
        """What names a device is for those whom the scenario names: they are in the first part."""
        return self._parts.ask_first(command) if "device" in command else self._parts.ask_all(command)

    def _configure(self, command: Message) -> Answer:
        crowd = command["crowd"]
        self._folder = Path(command["events"])
        self._parts = Parts(self._players.assemble(self._heard))
        self._sizes = parts(crowd["people"], len(self._parts))
        self._parts.keep(len(self._sizes))
        commands = configurations(command, len(self._sizes))
        answer = self._parts.ask_each([self._players.tailored(part, each) for part, each in enumerate(commands)])
        self._crew.plan(msgspec.convert(crowd["shape"], tuple[LoadStep, ...]), crowd["people"])
        if self._reports is not None:
            self._reports.start(self._crew.environment)
        return answer

    def _begin(self, command: Message) -> Answer:
        answer = self._parts.ask_all(command)
        if self._reports is not None:
            self._crew.start()
        return answer

    def _bring(self, command: Message) -> Answer:
        self._resize(command["online"])
        return {"ok": True}

    def _watch(self, command: Message) -> Answer:
        return self._parts.ask_all(self._counting.divide(command, len(self._sizes)))

    def _quiesce(self, command: Message) -> Answer:
        self._crew.retire()
        answer = self._parts.ask_all(command)
        if self._reports is not None:
            self._crew.dismiss()
        return answer

    def _stop(self, _: Message) -> Answer:
        self._ending = True
        return self._close()

    def _close(self) -> Answer:
        """End all parts in order, whoever asks first, and take over what they have."""
        with self._closing:
            if self._closed is None:
                self._crew.retire()
                answer = self._parts.ask_all({"do": "stop"})
                try:
                    self._players.collect(self._folder)
                except EnvironmentFault as problem:
                    answer = {"ok": False, "error": problem.what, "hint": problem.hint}
                if self._reports is not None:
                    self._crew.end()
                    self._reports.finish(self._crew.environment)
                self._closed = answer
            return self._closed

    def _resize(self, number: int) -> None:
        sizes = online(number, self._sizes)
        self._parts.tell(*[{"do": "crowd", "online": size} for size in sizes])

    def _heard(self, part: int, message: Message) -> None:
        match message:
            case {"counted": counted}:
                add(self._crew.environment.stats, counted)
            case {"users": users}:
                self._users[part] = users
                if not self._crew.retired:
                    self._resize(sum(self._users.values()))
            case {"fired": watch}:
                self._fired(watch, message)
            case {"trouble": _}:
                self._send(message)
            case {"lost": why}:
                self._lost(part, why)

    def _fired(self, watch: str, message: Message) -> None:
        if watch in self._counting.others:
            self._send(message)
        elif self._counting.is_the_nth(watch):
            self._send(message)
            self._parts.tell({"do": "unwatch", "watch": watch})

    def _lost(self, part: int, why: Message) -> None:
        """Half a crowd proves nothing: when one part has ended, all of them do; what they recorded is kept."""
        if self._ending or part >= len(self._parts):
            return
        self._ending = True
        if self._reports is None:
            self._send({"lost": why})
            gevent.spawn(self._close)
        else:
            self._send({"trouble": why["error"], "hint": why["hint"]})
            gevent.spawn(self._give_up)

    def _give_up(self) -> None:
        with gevent.Timeout(GIVE_UP_WITHIN_S, False):  # noqa: FBT003 - gevent's way to say: raise nothing
            self._close()
        os._exit(ORPHANED)
