"""Several people write in one conversation, in turn by chance, while some join, leave or block each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.plan import GroupWorkload
from harness.core.seeds import Seed

ChangeKind = Literal["join", "leave", "block"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to a group, due ``due_s`` seconds after the workload began; ``draw`` (0 to 1) decides whose it is.

    Who is a member by then is known only then: the same draw gives the same person as long as the members are.
    """

    due_s: float
    number: int
    draw: float
    body: str

    def sender(self, members: Sequence[str]) -> str:
        """Return whose turn it is of these."""
        return members[int(self.draw * len(members))]


@dataclass(frozen=True, slots=True)
class Change:
    """What ``person`` does ``at_s`` seconds after the start of inject; ``whom`` is the one who is blocked."""

    at_s: float
    kind: ChangeKind
    person: str
    whom: str


def turns(workload: GroupWorkload, *, seed: Seed, index: int, sentences: Sequence[str]) -> Iterator[Turn]:
    """Yield the messages of a group without end, with exponential gaps and a body each.

    ``index`` is the workload's place in the scenario.
    """
    rng = seed.rng("group", str(index))
    due_s = 0.0
    number = 0
    while True:
        due_s += rng.expovariate(workload.rate_per_s)
        number += 1
        yield Turn(due_s, number, draw=rng.random(), body=f"{rng.choice(sentences)} ({index}.{number})")


def changes(workload: GroupWorkload) -> dict[str, tuple[Change, ...]]:
    """Return what each person does, in the order of its times: nobody leaves before their joining is done."""
    everything = [
        *(Change(at_s, "join", person, person) for at_s, person in workload.joins),
        *(Change(at_s, "leave", person, person) for at_s, person in workload.leaves),
        *(Change(at_s, "block", person, whom) for at_s, person, whom in workload.blocks),
    ]
    everything.sort(key=lambda change: change.at_s)
    people = dict.fromkeys(change.person for change in everything)
    return {person: tuple(each for each in everything if each.person == person) for person in people}
