"""Locust's users and the shape that calls them: each user stands for one person of the crowd being online."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event
from locust import LoadTestShape, User, task
from locust.env import Environment

from harness.core.plan import LoadStep
from harness.load.shapes import is_one_ramp, target_at

TOGETHER_S = 0.05
"""Users that come within this time are told to the swarms at once."""

Resize = Callable[[int], None]
"""Has so many people online."""


class Steps(LoadTestShape):
    """The steps of a scenario's ``load.shape``."""

    def __init__(self, steps: Sequence[LoadStep], people: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._steps = steps
        self._people = people

    def tick(self) -> tuple[int, float]:
        """Never the end: that is the engine's to say."""
        return target_at(self.get_run_time(), self._steps, self._people)  # type: ignore[no-untyped-call]


class Crew:
    """Counts Locust's users and has as many people online, until it is told that the end belongs to the engine."""

    def __init__(self, steps: Sequence[LoadStep], people: int, resize: Resize) -> None:
        self._steps = steps
        self._people = people
        self._resize = resize
        self._users = 0
        self._changed = Event()
        self._over = Event()
        by_shape = None if is_one_ramp(steps) else Steps(steps, people)
        self.environment = Environment(user_classes=[self._person()], shape_class=by_shape)
        self._runner = self.environment.create_local_runner()
        gevent.spawn(self._follow)

    def start(self) -> None:
        """Let people come."""
        if self.environment.shape_class:
            self._runner.start_shape()
        else:
            self._runner.start(*target_at(0.0, self._steps, self._people))

    def end(self) -> None:
        """Dismiss Locust's users and leave the people as they are: they are still to receive."""
        self._over.set()
        self._runner.quit()

    def _person(self) -> type[User]:
        crew = self

        class Person(User):
            """Somebody with a chat app open; the swarm plays what they do."""

            def on_start(self) -> None:
                crew._count(+1)

            def on_stop(self) -> None:
                crew._count(-1)

            @task
            def be_online(self) -> None:
                crew._over.wait()

        return Person

    def _count(self, change: int) -> None:
        self._users += change
        self._changed.set()

    def _follow(self) -> None:
        while not self._over.is_set():
            self._changed.wait()
            gevent.sleep(TOGETHER_S)
            self._changed.clear()
            if not self._over.is_set():
                self._resize(self._users)
