"""Who and what a scenario names, so that every mention of it can be looked up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from harness.core.plan import PersonPlan
from harness.core.stack import StackSpec
from harness.scenario.diagnostics import did_you_mean
from harness.scenario.mistakes import Mistake
from harness.scenario.model import PersonModel, ScenarioModel
from harness.scenario.units import quoted
from harness.scenario.vocabulary import Vocabulary
from harness.scenario.yaml12 import Path

EVERYBODY = "*"
"""Among the doubtful: a whole section is wrong, so nobody can say who is in it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scenario's valid parts with what they may refer to.

    ``stack`` is None when its file could not be read. ``doubtful`` names entries of the file that are themselves wrong:
    what refers to them is not called unknown on top. ``workload_at`` tells where each valid workload stands.
    """

    model: ScenarioModel
    vocabulary: Vocabulary
    stack: StackSpec | None
    workload_at: tuple[int, ...]
    doubtful: frozenset[str] = frozenset()
    people: Mapping[str, PersonPlan] = field(default_factory=dict)

    def person(self, name: str, path: Path) -> Mistake | None:
        """Return what is wrong with a mention of one person."""
        if name in self.people or self._is_doubtful(name):
            return None
        if (crowd := self.model.people.get(name)) is not None:
            text = f"{quoted(name)} is a crowd of {crowd.count}"
            return Mistake(path, "unknown-name", text, f"name one of them, such as '{name}-1'")
        return unknown("person", name, path, self.people)

    def device(self, name: str, path: Path) -> Mistake | None:
        """Return what is wrong with a mention of one device, ``person/device``."""
        person, slash, device = name.partition("/")
        if not slash:
            return Mistake(
                path, "bad-value", f"{quoted(name)} is not a device", "write PERSON/DEVICE, as in 'bob/phone'"
            )
        if mistake := self.person(person, path):
            return mistake
        known = self.people.get(person)
        if known is None or device in known.devices:
            return None
        return unknown("device", name, path, known.device_ids)

    def link(self, name: str, path: Path) -> Mistake | None:
        """Return what is wrong with a mention of a link.

        That is ``client->chat``, one person's ``client:alice->chat`` or one device's ``client:alice/phone->chat``.
        """
        if self.stack is None:
            return None
        source, arrow, service = name.partition("->")
        role, colon, person = source.partition(":")
        base = f"{role}{arrow}{service}"
        if base not in self.stack.links:
            return unknown("link", name, path, self.links())
        if not colon:
            return None
        if not self.stack.links[base].per_person:
            text = f"the stack has one {quoted(base)} for everybody, none for a single person"
            return Mistake(path, "unknown-name", text, f"write '{base}'")
        return self.device(person, path) if "/" in person else self.person(person, path)

    def links(self) -> list[str]:
        """Names of the stack's links, each person's own edges included."""
        specs = self.stack.links.values() if self.stack else ()
        own = [own_link(link.name, person) for link in specs if link.per_person for person in self.people]
        return [link.name for link in specs] + own

    def fault(self, name: str, path: Path, *, on_key: bool = False) -> Mistake | None:
        """Return what is wrong with a mention of a fault."""
        if name in self.model.faults or name in self.doubtful or EVERYBODY in self.doubtful:
            return None
        return unknown("fault", name, path, self.model.faults, on_key=on_key)

    def _is_doubtful(self, name: str) -> bool:
        if EVERYBODY in self.doubtful:
            return True
        return any(name == one or name.startswith(f"{one}-") for one in self.doubtful)


def own_link(link: str, person: str) -> str:
    """Return the name of one person's own edge of a link: ``client:alice->chat`` for ``client->chat``."""
    return link.replace("->", f":{person}->", 1)


def unknown(noun: str, name: str, path: Path, known: Collection[str], *, on_key: bool = False) -> Mistake:
    """Return the mistake of a name that is not among the known ones."""
    return Mistake(
        path, "unknown-name", f"no {noun} is called {quoted(name)}", did_you_mean(name, known), on_key=on_key
    )


def expand_people(people: Mapping[str, PersonModel]) -> dict[str, PersonPlan]:
    """Return everybody by name: a crowd of N becomes N people."""
    found = {}
    for name, person in people.items():
        found.update({one: PersonPlan(one, tuple(person.devices), person.push) for one in names_of(name, person)})
    return found


def names_of(name: str, person: PersonModel) -> list[str]:
    """Return the people that one entry of ``people`` stands for."""
    return [name] if person.count is None else [f"{name}-{number}" for number in range(1, person.count + 1)]
