"""People of a test: what they do, and whether their messages got somewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from harness.core.errors import UsageError
from harness.pytest_plugin.live.names import resolved
from harness.pytest_plugin.live.portal import Portal
from harness.pytest_plugin.live.run import LiveRun
from harness.pytest_plugin.live.said import ACCEPTED, RECEIVED, Said
from harness.scenario.diagnostics import did_you_mean
from harness.scenario.units import parse_duration, quoted

WITHIN = "5s"


class Message:
    """One message that somebody was told to send."""

    def __init__(self, said: Said, run: LiveRun, portal: Portal) -> None:
        self.id = said.id
        """The client's id of it."""
        self._said = said
        self._run = run
        self._portal = portal

    def accepted(self, within: str = WITHIN) -> bool:
        """Wait for the acknowledgement; False when it has not come in time."""
        return self._sighted(ACCEPTED, None, within)

    def received(self, by: Person | str | None = None, within: str = WITHIN) -> bool:
        """Wait until the recipient, or another person or device (``bob/laptop``), has it; False when not in time."""
        who = self._said.recipient if by is None else resolved(named(by), self._run.names)
        return self._sighted(RECEIVED, who, within)

    def _sighted(self, events: Sequence[str], by: str | None, within: str) -> bool:
        __tracebackhide__ = True
        within_s = parse_duration(within)
        return self._portal.call(self._run.swarm.sighted(self.id, events, by=by, within_s=within_s))


class Person:
    """Somebody with connected devices, played by a correct client that retries as it should."""

    def __init__(self, name: str, id: str, devices: Sequence[str], run: LiveRun, portal: Portal) -> None:
        self.name = name
        """What the test calls this person."""
        self.id = id
        """Who that is on the stack: tests share it and must not find each other's messages."""
        self.devices = tuple(devices)
        self._run = run
        self._portal = portal

    def send(self, to: Person, text: str, *, device: str | None = None) -> Message:
        """Write a message on the first device, or another; returns at once, as a person's app does."""
        __tracebackhide__ = True
        said = self._portal.call(self._run.say(self._device(device), to.id, text))
        return Message(said, self._run, self._portal)

    def leave(self, device: str | None = None) -> None:
        """Go offline on purpose with one device, or with all."""
        __tracebackhide__ = True
        for one in self._devices(device):
            self._portal.call(self._run.swarm.leave(one))

    def come_back(self, device: str | None = None) -> None:
        """Come online again; what was missed is fetched meanwhile."""
        __tracebackhide__ = True
        for one in self._devices(device):
            self._portal.call(self._run.swarm.come_back(one))

    def _devices(self, device: str | None) -> list[str]:
        return [self._device(one) for one in ([device] if device else self.devices)]

    def _device(self, device: str | None) -> str:
        return f"{self.id}/{one_of('device', device or self.devices[0], self.devices)}"

    def __repr__(self) -> str:
        return f"<Person {self.id}>"


class PeopleHandle:
    """``chaos_people("alice", "bob")``, or with their devices: ``chaos_people(alice=["phone", "laptop"])``."""

    def __init__(self, run: LiveRun, portal: Portal) -> None:
        self._run = run
        self._portal = portal

    def __call__(self, *names: str, **devices: Sequence[str]) -> tuple[Person, ...]:
        """Connect everybody who takes part in this test, and return them in that order."""
        __tracebackhide__ = True
        people: dict[str, Sequence[str]] = {**dict.fromkeys(names, ("phone",)), **devices}
        self._portal.call(self._run.connect(people))
        return tuple(Person(name, self._run.names[name], has, self._run, self._portal) for name, has in people.items())


def named(value: Any) -> Any:
    """A person stands for the name that the test gave."""
    return value.name if isinstance(value, Person) else value


def one_of(noun: str, name: str, known: Collection[str]) -> str:
    """Return a name that is known; raises ``UsageError`` with what was probably meant."""
    if name not in known:
        raise UsageError(f"there is no {noun} {quoted(name)}", hint=did_you_mean(name, known))
    return name
