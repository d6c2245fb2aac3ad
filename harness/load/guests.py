"""One swarm process under one Locust process, whose users are its people."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent import GreenletExit

from harness.core.errors import EnvironmentFault
from harness.load.starting import Started
from harness.load.swarms import ENDED, SwarmProcess
from harness.load.wire import Message
from harness.swarm.config import SwarmConfig, to_json
from harness.swarm.guests import DEVICE

LOADING_WITHIN_S = 30.0
JOIN_WITHIN_S = 15.0
CATCH_UP_WITHIN_S = 15.0
END_WITHIN_S = 30.0
GRACE_S = 10.0
"""How much longer than it was given a swarm may take before it is held to hang."""

log = logging.getLogger(__name__)


class Gone(GreenletExit):  # type: ignore[misc]
    """The swarm has ended, which is told once; the users who wait for it end without a word."""


Hear = Callable[[Message], None]
"""Called with one message that reached a person."""


class Guests:
    """People of one Locust process, called ``uLABEL-NUMBER``.

    ``counted`` gets what they did each second; ``lost`` is called at their end when nobody asked for it.
    """

    def __init__(
        self, started: Started, config: SwarmConfig, *, label: str, counted: Hear, lost: Callable[[], None]
    ) -> None:
        self._config = config
        self._label = label
        self._counted = counted
        self._lost = lost
        self._ending = False
        self._number = 0
        self._away: list[str] = []
        self._here: dict[str, Hear] = {}
        self._swarm = SwarmProcess(started, self._heard)

    @property
    def folder(self) -> Path:
        """Where the history is."""
        return self._config.events.parent

    def start(self) -> None:
        """Tell the swarm what it needs to know; raises ``EnvironmentFault`` when it cannot play."""
        self._ask("configure", LOADING_WITHIN_S, **to_json(self._config))
        self._ask("provision", LOADING_WITHIN_S, within_s=LOADING_WITHIN_S)
        self._ask("phase", phase="baseline")

    def join(self, hear: Hear) -> str:
        """Bring one more person online, one who was there before if possible; returns the name.

        Raises ``EnvironmentFault`` when they were not connected in time.
        """
        if self._away:
            person = self._away.pop(0)
        else:
            self._number += 1
            person = f"u{self._label}-{self._number:04d}"
        try:
            self.come_back(person)
        except BaseException:
            self._away.append(person)
            raise
        self._here[person] = hear
        return person

    def come_back(self, person: str) -> None:
        """Bring a person online; raises ``EnvironmentFault`` when they were not connected in time."""
        self._ask("join", JOIN_WITHIN_S, person=person, within_s=JOIN_WITHIN_S)

    def go_offline(self, person: str) -> None:
        """Let a person say goodbye for a while."""
        self._ask("leave", device=f"{person}/{DEVICE}")

    def part(self, person: str) -> None:
        """Let a person go; somebody else may come back as them. Waits for nothing."""
        del self._here[person]
        self._away.append(person)
        self._swarm.ask({"do": "leave", "device": f"{person}/{DEVICE}"})

    def write(self, person: str, to: str, text: str, within_s: float) -> Message:
        """Write a message and wait for what becomes of it (``harness.swarm.guests.Guests.write``)."""
        return self._ask("write", within_s, person=person, to=to, body=text, within_s=within_s)

    def catch_up(self, person: str) -> bool:
        """Let a person fetch what they missed; False when that did not succeed in time."""
        answer = self._ask("catch_up", CATCH_UP_WITHIN_S, person=person, within_s=CATCH_UP_WITHIN_S)
        return bool(answer["synced"])

    def another(self, than: str) -> str | None:
        """Return somebody else who is here, by chance; None when there is nobody."""
        others = [person for person in self._here if person != than]
        return random.choice(others) if others else None  # noqa: S311 - no secret

    def end(self) -> None:
        """Let everybody fetch what is left, read the archives, and close the history.

        Raises ``EnvironmentFault`` or ``Gone``.
        """
        more_s = 0.05 * self._number
        self._ask("phase", phase="final")
        self._ask("final", END_WITHIN_S + more_s, within_s=END_WITHIN_S + more_s)
        self._ask("phase", phase="oracle")
        self._ask("oracle", END_WITHIN_S + more_s, within_s=END_WITHIN_S + more_s)
        self._ending = True
        self._ask("stop", END_WITHIN_S)
        self._swarm.wait()

    def _ask(self, do: str, limit_s: float = 0.0, **fields: Any) -> Message:
        waiting = self._swarm.ask({"do": do, **fields})
        try:
            answer = waiting.get(timeout=limit_s + GRACE_S)
        except gevent.Timeout:
            raise EnvironmentFault(
                f"the simulated people did not answer {do!r} within {limit_s + GRACE_S:g} s",
                hint="the machine may be too slow for so many of them",
            ) from None
        if answer is ENDED:
            raise Gone
        if not answer["ok"]:
            raise EnvironmentFault(answer["error"], hint=answer.get("hint", ""))
        return dict(answer)

    def _heard(self, message: Message) -> None:
        match message:
            case {"heard": arrived}:
                hear = self._here.get(arrived["person"])
                if hear is not None:
                    hear(arrived)
            case {"counted": counted}:
                self._counted(counted)
            case {"trouble": trouble}:
                log.error("%s", trouble)
            case {"lost": _}:
                if not self._ending:
                    log.error("%s", ENDED["error"])
                    self._lost()
