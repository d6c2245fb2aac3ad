"""From a checked scene to the plan that a run executes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.core.plan import (
    BlockWorkload,
    DirectWorkload,
    FaultPlan,
    OfflineWorkload,
    PhasePlan,
    ScenarioPlan,
    Start,
    ToDeviceWorkload,
    Workload,
)
from harness.scenario.groups import make_group
from harness.scenario.matrix import Scalar, shown
from harness.scenario.model import (
    DirectBlockModel,
    DirectModel,
    ExpectFaultModel,
    FaultModel,
    GroupModel,
    PersonModel,
    ScenarioModel,
    StartModel,
    ToDeviceModel,
    WorkloadModel,
)
from harness.scenario.params import read_params
from harness.scenario.scene import Scene
from harness.scenario.targets import given_params, target_of


def make_plan(
    scene: Scene, entry: Mapping[str, Scalar], *, source: Path, line: int, stack: str, text: str
) -> ScenarioPlan:
    """Return the plan of one matrix entry; ``line`` is where the file names the scenario, ``stack`` what to load."""
    model = scene.model
    return ScenarioPlan(
        name=model.name,
        title=model.title or model.name,
        source=str(source),
        line=line,
        stack=stack,
        people=tuple(scene.people.values()),
        workloads=tuple(_workload(item, model.people) for item in model.workload),
        phases=PhasePlan(model.phases.baseline, model.phases.observe, model.phases.quiet),
        faults=tuple(_fault(scene, name, fault) for name, fault in model.faults.items()),
        required_checks=tuple(model.expect.checks),
        catches=dict(model.expect.catches),
        client=model.client,
        defects=tuple(model.defects),
        tags=tuple(model.tags),
        needs=_needs(scene),
        parameters={name: shown(value) for name, value in model.set_.items()},
        matrix={axis: shown(value) for axis, value in entry.items()},
        recover_within_s=model.expect.slo.recover_within,
        slos=model.expect.slo.plans(),
        text=text,
        load=model.load.plan() if model.load else None,
    )


def _needs(scene: Scene) -> tuple[str, ...]:
    """What the file says that it needs, and what its faults and workloads cannot do without."""
    kinds = [scene.vocabulary.kinds[fault.kind] for fault in scene.model.faults.values()]
    needs = [*scene.model.needs, *(need for kind in kinds for need in kind.needs)]
    for item in scene.model.workload:
        if isinstance(item, GroupModel):
            needs += ["groups", *(["blocks"] if item.blocks else []), *(["membership"] if _changes(item) else [])]
        elif isinstance(item, DirectBlockModel):
            needs.append("direct_blocks")
        elif isinstance(item, ToDeviceModel):
            needs.append("to_device")
        elif isinstance(item, DirectModel) and item.over != "websocket":
            needs.append("http_send" if item.over == "http" else "media")
    if any(person.push for person in scene.people.values()):
        needs.append("push")
    return tuple(dict.fromkeys(needs))


def _changes(item: GroupModel) -> bool:
    """Whether somebody comes in later or goes, and must not see what was said without them."""
    return bool(item.joins or item.leaves)


def _workload(item: WorkloadModel, people: Mapping[str, PersonModel]) -> Workload:
    if isinstance(item, DirectBlockModel):
        return BlockWorkload(item.by, item.of, item.at)
    if isinstance(item, DirectModel):
        return DirectWorkload(item.from_, item.to, item.rate, item.over, item.size)
    if isinstance(item, ToDeviceModel):
        return ToDeviceWorkload(item.from_, item.to, item.rate)
    if isinstance(item, GroupModel):
        return make_group(item, people)
    return OfflineWorkload(item.device, item.at, item.for_)


def _fault(scene: Scene, name: str, fault: FaultModel) -> FaultPlan:
    expected = _expected(scene.model, name)
    kind = scene.vocabulary.kinds[fault.kind]
    return FaultPlan(
        id=name,
        kind=fault.kind,
        target=target_of(kind, fault, scene.stack) or "",
        start=_start(fault.start),
        for_s=fault.for_,
        params=read_params(kind, given_params(kind, fault), (), frozenset()).values,
        min_exposed=expected.min_exposed,
        must_see=tuple(expected.must_see),
    )


def _expected(model: ScenarioModel, fault: str) -> ExpectFaultModel:
    return model.expect.faults.get(fault) or ExpectFaultModel()


def _start(start: StartModel) -> Start:
    return Start(start.at, start.with_, start.after, start.of, start.nth or 1)
