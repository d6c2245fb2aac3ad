"""One of Locust's workers as its master sees it: a part of the conductor, over Locust's own channel."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import gevent
from gevent.event import AsyncResult
from locust.runners import MasterRunner

from harness.core.errors import EnvironmentFault
from harness.load.channel import CHANNEL, Joined
from harness.load.machine import is_loopback
from harness.load.offsets import Exchange, Offsets
from harness.load.wire import Message

EXCHANGES = 10
"""Questions for the time in one measurement, of which the quickest counts."""
ANSWER_WITHIN_S = 60.0


class Worker:
    """One of Locust's workers, with its own conductor and swarms (``harness.load.swarms.Part``)."""

    def __init__(self, runner: MasterRunner, joined: Joined, process: subprocess.Popen[bytes] | None) -> None:
        self.joined = joined
        self.process = process
        self.offsets = Offsets()
        self.gone: Message | None = None
        self._runner = runner
        self._numbers = count(1)
        self._waiting: dict[int, AsyncResult[Message]] = {}
        self._heard: Callable[[Message], None] | None = None

    @property
    def writes_here(self) -> bool:
        """Whether it can write into the run's folder itself."""
        return self.process is not None

    def begin(self, heard: Callable[[Message], None]) -> None:
        """Hear what it says of its own accord from now on."""
        self._heard = heard

    def ask(self, command: Message) -> AsyncResult[Message]:
        """Give a command; the result has its answer."""
        answer: AsyncResult[Message] = AsyncResult()
        if self.gone is not None:
            answer.set(self.gone)
            return answer
        number = next(self._numbers)
        self._waiting[number] = answer
        self._runner.send_message(CHANNEL, {**command, "id": number}, self.joined.client)
        return answer

    def now(self, do: str, **fields: Any) -> Message:
        """Give a command and return its answer; raises ``EnvironmentFault`` when there is none."""
        try:
            answer = self.ask({"do": do, **fields}).get(timeout=ANSWER_WITHIN_S)
        except gevent.Timeout:
            raise EnvironmentFault(
                f"{self.name} did not answer {do!r} within {ANSWER_WITHIN_S:g} s", hint="see its output there"
            ) from None
        if not answer["ok"]:
            raise EnvironmentFault(answer["error"], hint=answer["hint"])
        return dict(answer)

    @property
    def name(self) -> str:
        """How it is called in sentences."""
        return f"the Locust worker on {self.joined.machine.name} (pid {self.joined.pid})"

    def take(self, message: Message) -> None:
        """Take what it says."""
        if "id" in message:
            waiting = self._waiting.pop(message["id"], None)
            if waiting is not None:
                waiting.set(message)
        elif self._heard is not None:
            self._heard(message)

    def end(self) -> None:
        """It is no more; whoever waits for it is told."""
        if self.gone is not None:
            return
        where = "see logs/swarm.log" if self.writes_here else "see its output there, which says where its events are"
        self.gone = {"ok": False, "error": f"{self.name} ended unexpectedly", "hint": where}
        for answer in self._waiting.values():
            answer.set(self.gone)
        if self._heard is not None:
            self._heard({"lost": self.gone})

    def dismiss(self) -> None:
        """Let it go before anything has begun."""
        self.ask({"do": "stop"}).get()
        self.send_away()

    def send_away(self) -> None:
        """Have Locust, too, count on it no more."""
        self._runner.send_message("quit", None, self.joined.client)
        self._runner.clients.pop(self.joined.client, None)

    def wait(self) -> None:
        """Wait until its process has ended, where that can be seen."""
        if self.process is not None:
            self.process.wait()

    def measure(self) -> None:
        """Find out once more what its clock says; raises ``EnvironmentFault``."""
        self.offsets.add([self._exchange() for _ in range(EXCHANGES)])

    def _exchange(self) -> Exchange:
        asked_ns = time.monotonic_ns()
        theirs_ns = self.now("time")["mono_ns"]
        return Exchange(asked_ns, theirs_ns, time.monotonic_ns())

    def refuse_loopback(self, command: Message) -> None:
        """Raise ``EnvironmentFault`` when the command ``configure`` has an address that means this machine."""
        urls = [url for route in command["endpoints"].values() for url in (route["chat"], route["auth"])]
        urls += [command["direct"]["chat"], command["direct"]["auth"]]
        for url in filter(is_loopback, urls):
            raise EnvironmentFault(
                f"{self.name} cannot reach {url}, which is on this machine only",
                hint="put a stack under load whose services and proxies have addresses that all machines reach: "
                "--launcher external (docs/load.md)",
            )
