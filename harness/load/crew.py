"""Locust's users and the shape that calls them: each user stands for one person of the crowd being online."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event
from locust import LoadTestShape, User, task
from locust.env import Environment
from locust.runners import Runner

from harness.core.plan import LoadStep
from harness.load.shapes import is_one_ramp, target_at

TOGETHER_S = 0.05
"""Users that come within this time are told to the swarms at once."""

Run = Callable[[Environment], Runner]
"""Makes Locust's runner: local, master or worker."""
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
    """Counts this process's users of Locust and has as many people online, until the end belongs to the engine."""

    def __init__(self, run: Run) -> None:
        self._steps: Sequence[LoadStep] = ()
        self._people = 0
        self._users = 0
        self._changed = Event()
        self._over = Event()
        self.environment = Environment(user_classes=[self._person()])
        self.runner = run(self.environment)

    def follow(self, resize: Resize) -> None:
        """Call ``resize`` whenever users have come or gone, until ``retire``."""
        gevent.spawn(self._follow, resize)

    def plan(self, steps: Sequence[LoadStep], people: int) -> None:
        """Say how many people are to come when."""
        self._steps, self._people = steps, people
        self.environment.shape_class = None if is_one_ramp(steps) else Steps(steps, people)

    def start(self) -> None:
        """Let people come."""
        if self.environment.shape_class:
            self.runner.start_shape()
        else:
            gevent.spawn(self.runner.start, *target_at(0.0, self._steps, self._people))

    @property
    def retired(self) -> bool:
        """Whether the number of users says no more how many people are to be online."""
        return bool(self._over.is_set())

    def retire(self) -> None:
        """Leave the people as they are, whatever becomes of Locust's users: they are still to receive."""
        self._over.set()

    def dismiss(self) -> None:
        """Send Locust's users away."""
        gevent.spawn(self.runner.stop)

    def end(self) -> None:
        """End what Locust does, here and in its workers."""
        self.runner.quit()

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
                Event().wait()  # until Locust sends this user away

        return Person

    def _count(self, change: int) -> None:
        self._users += change
        self._changed.set()

    def _follow(self, resize: Resize) -> None:
        while not self._over.is_set():
            self._changed.wait()
            gevent.sleep(TOGETHER_S)
            self._changed.clear()
            if not self._over.is_set():
                resize(self._users)
