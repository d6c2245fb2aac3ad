"""Whether everything that a scenario mentions exists: people, devices, links, services, kinds, checks, mutants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from harness.scenario.groups import check_block, check_group
from harness.scenario.mistakes import Mistake
from harness.scenario.model import DirectBlockModel, DirectModel, FaultModel, GroupModel, ToDeviceModel
from harness.scenario.scene import Scene, names_of, unknown
from harness.scenario.targets import check_fault
from harness.scenario.units import quoted
from harness.scenario.yaml12 import Path


def check_references(scene: Scene) -> Iterator[Mistake]:
    """Yield every mention of something that does not exist, and every fault that does not fit its target."""
    yield from _people(scene)
    yield from _parameters(scene)
    yield from _client(scene)
    yield from _workload(scene)
    for name, fault in scene.model.faults.items():
        yield from _fault(scene, fault, ("faults", name))
    yield from _expect(scene)


def _people(scene: Scene) -> Iterator[Mistake]:
    people = scene.model.people
    for crowd, person in people.items():
        of_crowd = set() if person.count is None else set(names_of(crowd, person))
        for name in sorted(of_crowd & set(people)):
            text = f"{quoted(name)} is also the name of one of the crowd '{crowd}'"
            yield Mistake(("people", name), "duplicate-name", text, on_key=True)


def _parameters(scene: Scene) -> Iterator[Mistake]:
    known = None if scene.stack is None else scene.stack.parameters
    for name in scene.model.set_:
        if known is not None and name not in known:
            yield unknown("parameter of the stack", name, ("set", name), known, on_key=True)


def _client(scene: Scene) -> Iterator[Mistake]:
    """A correct client has no defects, and a naive one without any would be a correct one."""
    defects = scene.model.defects
    yield from _all_known("defect", defects, ("defects",), scene.vocabulary.defects)
    if scene.model.client == "naive" and not defects:
        text = "a naive client is a correct one with 'defects'; none is listed"
        yield Mistake(("client",), "bad-value", text, f"known: {', '.join(sorted(scene.vocabulary.defects))}")
    if scene.model.client != "naive" and defects:
        yield Mistake(("defects",), "bad-value", "only a naive client has defects", "write 'client: naive'")


def _workload(scene: Scene) -> Iterator[Mistake]:
    for index, item in zip(scene.workload_at, scene.model.workload, strict=True):
        path: Path = ("workload", index)
        if isinstance(item, DirectModel | ToDeviceModel):
            yield from _given(scene.person(item.from_, (*path, "from")), scene.person(item.to, (*path, "to")))
            if item.from_ == item.to:
                yield Mistake((*path, "to"), "bad-value", f"{quoted(item.to)} writes to nobody else")
        elif isinstance(item, GroupModel):
            yield from check_group(scene, item, path)
        elif isinstance(item, DirectBlockModel):
            yield from check_block(scene, item, path)
        else:
            yield from _given(scene.device(item.device, (*path, "device")))


def _fault(scene: Scene, fault: FaultModel, path: Path) -> Iterator[Mistake]:
    yield from check_fault(scene, fault, path)
    yield from _start(scene, fault, (*path, "start"))


def _start(scene: Scene, fault: FaultModel, path: Path) -> Iterator[Mistake]:
    start = fault.start
    if start.with_ is not None:
        yield from _given(scene.fault(start.with_, (*path, "with")))
    if start.after is not None and start.after not in scene.vocabulary.events:
        yield unknown("event", start.after, (*path, "after"), scene.vocabulary.events)
    if start.of is not None:
        yield from _given(scene.person(start.of, (*path, "of")))


def _expect(scene: Scene) -> Iterator[Mistake]:
    expect, words = scene.model.expect, scene.vocabulary
    yield from _all_known("check", expect.checks, ("expect", "checks"), words.checks)
    for name, fault in expect.faults.items():
        path: Path = ("expect", "faults", name)
        yield from _given(scene.fault(name, path, on_key=True))
        yield from _all_known("event", fault.must_see, (*path, "must_see"), words.sights)
    for mutant, check in expect.catches.items():
        path = ("expect", "catches", mutant)
        if mutant not in (mutants := {*words.mutants, *words.defects}):
            yield unknown("mutant", mutant, path, mutants, on_key=True)
        if check not in words.checks:
            yield unknown("check", check, path, words.checks)


def _all_known(noun: str, names: list[str], path: Path, known: Collection[str]) -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if name not in known:
            yield unknown(noun, name, (*path, index), known)
        elif name in names[:index]:
            yield Mistake((*path, index), "duplicate-value", f"{quoted(name)} is already in the list")


def _given(*mistakes: Mistake | None) -> Iterable[Mistake]:
    return [mistake for mistake in mistakes if mistake is not None]
