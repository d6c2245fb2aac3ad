"""Whether a scenario's times can come true: every fault starts, and ends, while the run observes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.scenario.groups import members
from harness.scenario.mistakes import Mistake
from harness.scenario.model import DirectBlockModel, DirectModel, FaultModel, GroupModel, OfflineModel, StartModel
from harness.scenario.scene import Scene
from harness.scenario.units import format_duration, quoted
from harness.scenario.yaml12 import Path

_ONE_PER_SEND = frozenset({"client_send_started", "server_accepted"})
"""Events that an undisturbed send causes exactly once, with the sender in them."""


def check_schedule(scene: Scene) -> Iterator[Mistake]:
    """Yield each start that lies in a circle or out of reach, and each end that comes after observe."""
    observe = scene.model.phases.observe
    faults = scene.model.faults
    for name, fault in faults.items():
        path: Path = ("faults", name)
        yield from _circle(name, faults)
        at = start_time(name, faults)
        if at is not None and at >= observe and fault.start.at is not None:
            yield _too_late(observe, (*path, "start", "at"))
        elif at is not None and fault.for_ is not None and at + fault.for_ > observe:
            yield _too_long(at + fault.for_, observe, (*path, "for"))
        yield from _reachable(scene, fault.start, (*path, "start"))
    for index, item in zip(scene.workload_at, scene.model.workload, strict=True):
        if isinstance(item, OfflineModel):
            yield from _absence(item, observe, ("workload", index))
        elif isinstance(item, GroupModel):
            yield from _changes(item, observe, ("workload", index))
        elif isinstance(item, DirectBlockModel) and item.at >= observe:
            yield _too_late(observe, ("workload", index, "at"))


def start_time(name: str, faults: Mapping[str, FaultModel]) -> float | None:
    """Return when a fault starts, in seconds after inject, following ``with``; None when only events will tell."""
    seen: set[str] = set()
    while name in faults and name not in seen:
        seen.add(name)
        start = faults[name].start
        if start.with_ is None:
            return start.at
        name = start.with_
    return None


def _circle(name: str, faults: Mapping[str, FaultModel]) -> Iterator[Mistake]:
    chain = [name]
    while (fault := faults.get(chain[-1])) is not None and fault.start.with_ is not None:
        chain.append(fault.start.with_)
        if chain[-1] == name:
            text = f"these faults wait for each other: {' -> '.join(chain)}"
            yield Mistake(("faults", name, "start", "with"), "circle", text, "give one of them 'at' or 'after'")
        if chain[-1] in chain[:-1]:
            return


def _too_late(observe: float, path: Path) -> Mistake:
    text = f"the run observes for {format_duration(observe)} only: this never starts"
    return Mistake(path, "too-late", text, "start it earlier or lengthen 'phases.observe'")


def _too_long(end: float, observe: float, path: Path) -> Mistake:
    text = f"this would end at {format_duration(end)}, after the {format_duration(observe)} that the run observes"
    return Mistake(path, "too-late", text, "shorten it, or lengthen 'phases.observe'")


def _absence(item: OfflineModel, observe: float, path: Path) -> Iterator[Mistake]:
    if item.at >= observe:
        yield _too_late(observe, (*path, "at"))
    elif item.at + item.for_ > observe:
        yield _too_long(item.at + item.for_, observe, (*path, "for"))


def _changes(item: GroupModel, observe: float, path: Path) -> Iterator[Mistake]:
    for which in ("joins", "leaves", "blocks"):
        late = [index for index, one in enumerate(getattr(item, which)) if one.at >= observe]
        yield from (_too_late(observe, (*path, which, index, "at")) for index in late)


def _reachable(scene: Scene, start: StartModel, path: Path) -> Iterator[Mistake]:
    """An undisturbed run must have enough sends for the nth of them to come while the run observes."""
    if start.after not in _ONE_PER_SEND or len(scene.workload_at) != len(scene.model.workload) or scene.doubtful:
        return
    rate = sum(rate for sender, rate in rates(scene).items() if start.of in {None, sender})
    expected = int(rate * scene.model.phases.observe)
    if (start.nth or 1) > expected:
        who = f"{quoted(start.of)} sends" if start.of else "all together send"
        text = f"{who} only about {expected} messages while the run observes"
        yield Mistake((*path, "nth"), "too-late", text, "lower 'nth' or raise a 'rate'")


def rates(scene: Scene) -> dict[str, float]:
    """Return how many messages per second each person sends."""
    found: dict[str, float] = {}
    for item in scene.model.workload:
        if isinstance(item, DirectModel):
            found[item.from_] = found.get(item.from_, 0.0) + item.rate
        elif isinstance(item, GroupModel):
            inside = members(item, scene.model.people)
            found.update({name: found.get(name, 0.0) + item.rate / len(inside) for name in inside})
    return found
