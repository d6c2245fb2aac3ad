"""Those who play the people of one conductor, as greenlets see them: swarm processes, or other conductors."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Protocol

import gevent
from gevent.event import AsyncResult

from harness.load.parts import Answer, merged
from harness.load.starting import Started
from harness.load.wire import Message, Wire

ENDED = {"ok": False, "error": "a process that plays the people ended unexpectedly", "hint": "see logs/swarm.log"}

Heard = Callable[[int, Message], None]
"""Called with the number of a part and what it says of its own accord: ``lost`` is its end, and why."""


class Part(Protocol):
    """Plays some of the people."""

    def ask(self, command: Message) -> AsyncResult[Message]:
        """Give a command; the result has its answer."""
        ...

    def wait(self) -> None:
        """Wait until it has ended."""
        ...

    def dismiss(self) -> None:
        """Let it go before anything has begun."""
        ...


class SwarmProcess:
    """One process of people; ``heard`` gets what is no answer."""

    def __init__(self, started: Started, heard: Callable[[Message], None]) -> None:
        self._process = started.process
        self._wire = Wire(socket.socket(fileno=started.control_fd))
        self._heard = heard
        self._numbers = count(1)
        self._waiting: dict[int, AsyncResult[Message]] = {}
        gevent.spawn(self._listen)

    def ask(self, command: Message) -> AsyncResult[Message]:
        """Give a command; the result has its answer."""
        number = next(self._numbers)
        answer = self._waiting[number] = AsyncResult()
        try:
            self._wire.send({**command, "id": number})
        except OSError:
            answer.set(ENDED)
        return answer

    def dismiss(self) -> None:
        """Let the process end, which has nothing to do."""
        self.ask({"do": "stop"}).get()

    def wait(self) -> None:
        """Wait for the process to end."""
        self._process.wait()

    def _listen(self) -> None:
        for message in self._wire.messages():
            if "id" in message:
                self._waiting.pop(message["id"]).set(message)
            else:
                self._heard(message)
        for answer in self._waiting.values():
            answer.set(ENDED)
        self._heard({"lost": ENDED})


def swarm_processes(started: Sequence[Started], heard: Heard) -> list[Part]:
    """Return processes of people as parts; ``heard`` gets their numbers."""
    return [SwarmProcess(one, partial(heard, index)) for index, one in enumerate(started)]


class Parts:
    """All parts of one conductor, as one."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._all = list(parts)

    def __len__(self) -> int:
        return len(self._all)

    def keep(self, number: int) -> None:
        """Use the first ``number`` only; the others have nothing to do and go."""
        for part in self._all[number:]:
            part.dismiss()
        del self._all[number:]

    def ask_all(self, command: Message) -> Answer:
        """Give all the same command and return their answers as one."""
        return self.ask_each([command] * len(self._all))

    def ask_each(self, commands: Sequence[Message]) -> Answer:
        """Give each its own command and return the answers as one."""
        answers = [part.ask(command) for part, command in zip(self._all, commands, strict=True)]
        return merged([answer.get() for answer in answers])

    def ask_first(self, command: Message) -> Answer:
        """Give a command that concerns somebody whom the scenario names."""
        return dict(self._all[0].ask(command).get())

    def tell(self, *commands: Message) -> None:
        """Give each its own command, or all the only one, and do not wait: whoever hears a part must not."""
        each = commands if len(commands) > 1 else commands * len(self._all)
        for part, command in zip(self._all, each, strict=True):
            part.ask(command)

    def wait(self) -> None:
        """Wait until all have ended."""
        for part in self._all:
            part.wait()
