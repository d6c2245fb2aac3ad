"""Groups of a scenario: who is in them when, and whether that can come true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.core.plan import GroupWorkload
from harness.scenario.mistakes import Mistake
from harness.scenario.model import BlockModel, GroupModel, MemberModel, PersonModel
from harness.scenario.scene import Scene, names_of
from harness.scenario.units import quoted
from harness.scenario.yaml12 import Path

Steps = Sequence[tuple[float, str, str, int]]
"""Comings and goings in the order of time: when, ``joins`` or ``leaves``, who, and the place in that list."""


def make_group(item: GroupModel, people: Mapping[str, PersonModel]) -> GroupWorkload:
    """Return the plan of a group, a crowd's name expanded."""
    return GroupWorkload(
        members=members(item, people),
        rate_per_s=item.rate,
        joins=tuple((one.at, one.person) for one in item.joins),
        leaves=tuple((one.at, one.person) for one in item.leaves),
        blocks=tuple((one.at, one.by, one.of) for one in item.blocks),
    )


def members(item: GroupModel, people: Mapping[str, PersonModel]) -> tuple[str, ...]:
    """Return who is in a group from the start."""
    return tuple(name for member in item.members for name in _expanded(member, people))


def check_group(scene: Scene, item: GroupModel, path: Path) -> Iterator[Mistake]:
    """Yield every mention of somebody who is not there, and every coming and going that makes no sense."""
    for index, name in enumerate(item.members):
        if name not in scene.model.people and (mistake := scene.person(name, (*path, "members", index))):
            yield mistake
        elif name in item.members[:index]:
            yield Mistake((*path, "members", index), "duplicate-value", f"{quoted(name)} is already in the list")
    for which in ("joins", "leaves"):
        for index, one in enumerate(getattr(item, which)):
            if mistake := scene.person(one.person, (*path, which, index, "person")):
                yield mistake
    yield from _comings_and_goings(members(item, scene.model.people), _steps(item), path)
    yield from _blocks(scene, item, path)


def _blocks(scene: Scene, item: GroupModel, path: Path) -> Iterator[Mistake]:
    for index, block in enumerate(item.blocks):
        inside = (*path, "blocks", index)
        yield from check_block(scene, block, inside)


def check_block(scene: Scene, block: BlockModel, path: Path) -> Iterator[Mistake]:
    """Yield every mention of somebody who is not there, and a block of oneself."""
    found = (scene.person(block.by, (*path, "by")), scene.person(block.of, (*path, "of")))
    yield from (mistake for mistake in found if mistake)
    if block.by == block.of:
        yield Mistake((*path, "of"), "bad-value", f"{quoted(block.of)} blocks nobody else")


def _comings_and_goings(start: Sequence[str], steps: Steps, path: Path) -> Iterator[Mistake]:
    inside = set(start)
    for _, which, person, index in steps:
        if (which == "joins") == (person in inside):
            state = "is in the group already" if which == "joins" else "is not in the group"
            yield Mistake((*path, which, index, "person"), "bad-value", f"{quoted(person)} {state} at that time")
        (inside.add if which == "joins" else inside.discard)(person)


def _steps(item: GroupModel) -> Steps:
    lists: tuple[tuple[str, list[MemberModel]], ...] = (("joins", item.joins), ("leaves", item.leaves))
    return sorted((one.at, which, one.person, index) for which, ones in lists for index, one in enumerate(ones))


def _expanded(name: str, people: Mapping[str, PersonModel]) -> list[str]:
    return names_of(name, people[name]) if name in people else [name]
