"""Whether everything that a scenario mentions exists: people, devices, links, services, kinds, checks, mutants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from harness.faults.api import FaultKind
from harness.scenario.mistakes import Mistake
from harness.scenario.model import DirectModel, FaultModel
from harness.scenario.params import read_params
from harness.scenario.scene import Scene, unknown
from harness.scenario.units import quoted
from harness.scenario.yaml12 import Path

FAULT_KEYS = frozenset(field.alias or name for name, field in FaultModel.model_fields.items())


def check_references(scene: Scene) -> Iterator[Mistake]:
    """Yield every mention of something that does not exist, and every fault that does not fit its target."""
    yield from _people(scene)
    yield from _workload(scene)
    for name, fault in scene.model.faults.items():
        yield from _fault(scene, fault, ("faults", name))
    yield from _expect(scene)


def _people(scene: Scene) -> Iterator[Mistake]:
    people = scene.model.people
    for crowd, person in people.items():
        members = {f"{crowd}-{number}" for number in range(1, (person.count or 0) + 1)}
        for name in sorted(members & set(people)):
            text = f"{quoted(name)} is also the name of one of the crowd '{crowd}'"
            yield Mistake(("people", name), "duplicate-name", text, on_key=True)


def _workload(scene: Scene) -> Iterator[Mistake]:
    for index, item in zip(scene.workload_at, scene.model.workload, strict=True):
        path: Path = ("workload", index)
        if isinstance(item, DirectModel):
            yield from _given(scene.person(item.from_, (*path, "from")), scene.person(item.to, (*path, "to")))
            if item.from_ == item.to:
                yield Mistake((*path, "to"), "bad-value", f"{quoted(item.to)} writes to nobody else")
        else:
            yield from _given(scene.device(item.device, (*path, "device")))


def _fault(scene: Scene, fault: FaultModel, path: Path) -> Iterator[Mistake]:
    kind = scene.vocabulary.kinds.get(fault.kind)
    if kind is None:
        yield unknown("fault kind", fault.kind, (*path, "kind"), scene.vocabulary.kinds)
    else:
        yield from _kind_fits(kind, fault, path)
    if fault.link is not None:
        yield from _given(scene.link(fault.link, (*path, "link")))
    if fault.service is not None and scene.stack is not None and fault.service not in scene.stack.services:
        yield unknown("service", fault.service, (*path, "service"), scene.stack.services)
    yield from _start(scene, fault, (*path, "start"))


def _kind_fits(kind: FaultKind, fault: FaultModel, path: Path) -> Iterator[Mistake]:
    other = "service" if kind.targets == "link" else "link"
    if getattr(fault, kind.targets) is None:
        yield Mistake(
            (*path, kind.targets), "missing-key", f"{kind.kind} acts on a {kind.targets}: '{kind.targets}' is missing"
        )
    if getattr(fault, other) is not None:
        text = f"{kind.kind} acts on a {kind.targets}, not on a {other}"
        yield Mistake((*path, other), "unknown-key", text, on_key=True)
    if kind.duration == "none" and fault.for_ is not None:
        instead = "restart_after" if "restart_after" in kind.params else ""
        hint = f"did you mean '{instead}'?" if instead else ""
        yield Mistake((*path, "for"), "unknown-key", f"{kind.kind} ends by itself: it has no 'for'", hint, on_key=True)
    yield from read_params(kind, fault.model_extra or {}, path, FAULT_KEYS).mistakes


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
        yield from _all_known("event", fault.must_see, (*path, "must_see"), words.events)
    for mutant, check in expect.catches.items():
        path = ("expect", "catches", mutant)
        if mutant not in words.mutants:
            yield unknown("mutant", mutant, path, words.mutants, on_key=True)
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
