"""What a test asks for, checked by the rules of scenario files and told in the same words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.plan import PersonPlan, ScenarioPlan
from harness.core.stack import StackSpec
from harness.scenario.build import build_scene
from harness.scenario.matrix import substitute
from harness.scenario.plans import make_plan
from harness.scenario.vocabulary import installed

PHASES = {"baseline": "1s", "observe": "160h", "quiet": "1s"}
"""A test's own lines decide how long it takes; the phases of a file have to be longer than any fault in it."""
_NOBODY = {"nobody": {"devices": ["phone"]}}


class TestPlan(ScenarioPlan):
    """The plan of a test: nobody knows yet on whose way a fault will be, so everybody gets one of their own."""

    __test__ = False

    @property
    def fault_people(self) -> frozenset[str]:
        """Everybody, and each device of those who have several."""
        devices = (one.device_ids for one in self.people if len(one.devices) > 1)
        return frozenset({one.name for one in self.people}.union(*devices))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test stands; its name is that of the scenario that it amounts to."""

    name: str
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def plan_of(
    place: Place,
    people: Mapping[str, Sequence[str]],
    stack: StackSpec,
    fault: tuple[str, Mapping[str, Any]] | None,
) -> TestPlan:
    """Return the plan of a test with these people (their devices) and one fault (its id and its keys).

    Raises ``UsageError`` with the sentences that a scenario file would get.
    """
    push = "push" in stack.capabilities and bool(stack.providers)
    persons: dict[str, Any] = {name: {"devices": list(each), "push": push} for name, each in people.items()} or _NOBODY
    somebody, facts = next(iter(persons.items()))
    data: dict[str, Any] = {
        "version": 1,
        "name": "a-test",
        "stack": stack.name,
        "people": persons,
        "workload": [{"kind": "offline", "device": f"{somebody}/{facts['devices'][0]}", "at": "1s", "for": "1s"}],
        "phases": PHASES,
        "faults": {fault[0]: dict(fault[1])} if fault else {},
    }
    vocabulary = installed()
    built = build_scene(substitute(data, {}, os.environ), vocabulary, lambda _: stack)
    if built.scene is None:
        raise UsageError("\n".join(f"{one.text}; {one.suggestion}".rstrip("; ") for one in built.mistakes))
    plan = make_plan(built.scene, {}, source=place.file, line=place.line, stack=stack.name, text="")
    everybody: tuple[PersonPlan, ...] = plan.people if people else ()
    return TestPlan(**{name: getattr(plan, name) for name in _FIELDS} | {"workloads": (), "people": everybody})


_FIELDS = tuple(ScenarioPlan.__dataclass_fields__)
