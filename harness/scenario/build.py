"""From the data of one matrix entry to everything that is wrong with it, or to what a plan is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from harness.core.stack import StackSpec
from harness.scenario.matrix import Substituted
from harness.scenario.mistakes import Mistake, mistakes_of
from harness.scenario.model import ScenarioModel
from harness.scenario.references import check_references
from harness.scenario.scene import EVERYBODY, Scene, expand_people
from harness.scenario.schedule import check_schedule
from harness.scenario.vocabulary import Vocabulary
from harness.scenario.yaml12 import Data, Path

StackFinder = Callable[[str], StackSpec | Mistake | None]
"""Looks a stack up by name: the stack, or why there is none, or None when that was already told."""

_STAND_INS: Mapping[str, Data] = {
    "version": 1,
    "name": "stand-in",
    "stack": "stand-in",
    "people": {},
    "workload": [],
    "phases": {"baseline": "1s", "observe": "160h", "quiet": "1s"},
}
"""Take the place of what is wrong, so that the rest of a file is looked at all the same."""


@dataclass(frozen=True, slots=True)
class Built:
    """What is wrong, and when nothing is, the scene."""

    scene: Scene | None
    mistakes: tuple[Mistake, ...]


def build_scene(filled: Substituted, vocabulary: Vocabulary, find_stack: StackFinder) -> Built:
    """Check the data of one matrix entry against the model, the stack and all that exists here.

    What could not be filled in has its mistake already and is not complained about again.
    """
    data = filled.data
    found: list[Mistake] = []
    rest = _Rest(data, [])
    try:
        model = ScenarioModel.model_validate(data)
    except ValidationError as error:
        found = mistakes_of(error, ScenarioModel, data)
        rest = _Rest(data, [item.path for item in found])
        model = ScenarioModel.model_validate(rest.data)
    scene, unfound = _scene(model, rest, vocabulary, find_stack)
    found += [*_empty(data), *unfound, *check_references(scene)]
    if "phases" not in rest.replaced:
        found += check_schedule(scene)
    mistakes = tuple(item for item in found if item.path not in filled.unfilled)
    return Built(None if found else scene, mistakes)


def _scene(
    model: ScenarioModel, rest: _Rest, vocabulary: Vocabulary, find_stack: StackFinder
) -> tuple[Scene, list[Mistake]]:
    stack = None if "stack" in rest.replaced else find_stack(model.stack)
    unfound = [stack] if isinstance(stack, Mistake) else []
    spec = stack if isinstance(stack, StackSpec) else None
    return Scene(model, vocabulary, spec, rest.workload_at, rest.doubtful, expand_people(model.people)), unfound


def _empty(data: Mapping[str, Data]) -> Iterator[Mistake]:
    for section, nothing in (("people", {}), ("workload", [])):
        if data.get(section) == nothing:
            yield Mistake((section,), "bad-value", "this must not be empty")


class _Rest:
    """A file's data without the entries that are wrong, and which those were."""

    def __init__(self, data: Mapping[str, Data], wrong: Collection[Path]) -> None:
        self.replaced = frozenset(path[0] for path in wrong if len(path) == 1 or path[0] in {"phases", "load"})
        self._entries = frozenset(path[:2] for path in wrong)
        self.data: dict[str, Any] = dict(_STAND_INS)
        for section, value in data.items():
            if section not in self.replaced:
                self.data[section] = self._without_wrong(section, value)
        doubtful = {str(path[1]) for path in wrong if len(path) > 1 and path[0] in {"people", "faults"}}
        self.doubtful = frozenset(doubtful | ({EVERYBODY} if self.replaced & {"people", "faults"} else set()))
        workload = data.get("workload")
        places = range(len(workload)) if isinstance(workload, list) else range(0)
        self.workload_at = tuple(index for index in places if ("workload", index) not in self._entries)

    def _without_wrong(self, section: str, value: Data) -> Data:
        if isinstance(value, dict):
            return {name: part for name, part in value.items() if (section, name) not in self._entries}
        if isinstance(value, list):
            return [part for index, part in enumerate(value) if (section, index) not in self._entries]
        return value
