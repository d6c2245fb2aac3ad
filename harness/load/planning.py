"""Turns a scenario of a few people into the same scenario under a crowd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.core.errors import UsageError
from harness.core.plan import (
    BlockWorkload,
    DirectWorkload,
    GroupWorkload,
    LoadPlan,
    LoadStep,
    PhasePlan,
    ScenarioPlan,
    SloPlan,
    ToDeviceWorkload,
    Workload,
)
from harness.faults.registry import kinds

ARRIVALS_PER_S = 100.0
PLATEAU_S = 20.0
ENOUGH = 100
"""Messages without which nobody can tell a 95th percentile."""
STEADY = frozenset({"send_success", "acceptance_p50", "acceptance_p95", "online_delivery_p50", "online_delivery_p95"})
"""Service levels that say something of people who are all there and undisturbed."""
BOUNDS = (SloPlan("send_success", 1.0), SloPlan("acceptance_p95", 1.0), SloPlan("online_delivery_p95", 2.0))
"""What is held to where the scenario says nothing: everything is accepted, p95 of it within 1 s, of arrival 2 s."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for on the command line in place of what the file says: people, messages a second, seconds."""

    people: int | None = None
    rate_per_s: float | None = None
    duration_s: float | None = None


def under_load(plan: ScenarioPlan, wishes: Wishes) -> ScenarioPlan:
    """Return the plan with a crowd in place of everybody whom no fault names.

    The baseline covers the first ramp and the warm-up; faults are observed until all steps of the shape are over, or
    the duration is. Raises ``UsageError`` for a scenario that says nothing of load when the wishes do not either.
    """
    load = _load(plan, wishes)
    kept = [each for each in plan.workloads if people_of(each) & people_named(plan)]
    names = people_named(plan).union(*map(people_of, kept))
    return replace(
        plan,
        load=load,
        loaded=True,
        needs=tuple(dict.fromkeys((*plan.needs, *load.mix.needs))),
        people=tuple(person for person in plan.people if person.name in names),
        workloads=tuple(kept),
        phases=_phases(plan.phases, load, wishes.duration_s),
    )


def steady(plan: ScenarioPlan, wishes: Wishes, *, faults: bool) -> ScenarioPlan:
    """Return the plan of one step of a search for the capacity: everybody comes, then the rate is held.

    The rate is held for the duration of the wishes, and for as long as it takes to write ``ENOUGH`` messages. Without
    ``faults`` the scenario's own are left out, and what it requires because of them; service levels that need none are
    held to, or ``BOUNDS`` where it has none of those.
    """
    kept = plan if faults else replace(plan, faults=(), required_checks=())
    loaded = under_load(kept, wishes)
    load = _load(plan, wishes)
    load = replace(load, shape=(LoadStep(1.0, load.ramp_s / load.shape[0].share),), plateau=True)
    held_to = tuple(slo for slo in plan.slos if slo.id in STEADY) or BOUNDS
    others = tuple(slo for slo in plan.slos if slo.id not in STEADY)
    plateau_s = max(wishes.duration_s or PLATEAU_S, ENOUGH / load.rate_per_s)
    observe_s = max(plateau_s, plan.phases.observe_s) if faults else plateau_s
    baseline_s = max(plan.phases.baseline_s, load.ramp_s + load.warmup_s)
    return replace(
        loaded,
        load=load,
        slos=(*held_to, *others) if faults else held_to,
        phases=PhasePlan(baseline_s, observe_s, plan.phases.quiet_s),
    )


def people_named(plan: ScenarioPlan) -> frozenset[str]:
    """Return the people whom the faults of a scenario name: as target, by their link or device, or to start by."""
    return frozenset(_named(plan))


def _named(plan: ScenarioPlan) -> Iterator[str]:
    known = {person.name for person in plan.people}
    yield from (target.partition("/")[0] for target in plan.fault_people)
    for fault in plan.faults:
        if kinds()[fault.kind].targets in {"person", "device"}:
            yield fault.target.partition("/")[0]
        if fault.start.of in known:
            yield str(fault.start.of)


def people_of(workload: Workload) -> frozenset[str]:
    """Return who takes part in a workload."""
    match workload:
        case DirectWorkload() | ToDeviceWorkload():
            return frozenset({workload.sender, workload.recipient})
        case GroupWorkload():
            return frozenset({*workload.members, *(person for _, person in workload.joins)})
        case BlockWorkload():
            return frozenset({workload.by, workload.of})
        case _:
            return frozenset({workload.device.partition("/")[0]})


def _load(plan: ScenarioPlan, wishes: Wishes) -> LoadPlan:
    if plan.load is not None:
        people, rate = wishes.people or plan.load.people, wishes.rate_per_s or plan.load.rate_per_s
        mix = replace(plan.load.mix, hot_members=min(plan.load.mix.hot_members, people))
        first, *others = plan.load.shape
        if plan.load.arrivals_per_s:
            first = replace(first, over_s=people / plan.load.arrivals_per_s)
        return replace(plan.load, people=people, rate_per_s=rate, mix=mix, shape=(first, *others))
    if wishes.people is None or wishes.rate_per_s is None:
        raise UsageError(
            f"scenario {plan.name} says nothing of load",
            hint="add `load: {people: 200, rate: 50/s}` to it, or give --users and --rate",
        )
    ramp = LoadStep(1.0, wishes.people / ARRIVALS_PER_S)
    return LoadPlan(wishes.people, wishes.rate_per_s, (ramp,))


def _phases(phases: PhasePlan, load: LoadPlan, duration_s: float | None) -> PhasePlan:
    baseline_s = max(phases.baseline_s, load.ramp_s + load.warmup_s)
    left_s = (duration_s or load.total_s) - baseline_s - phases.quiet_s
    return PhasePlan(baseline_s, max(phases.observe_s, left_s), phases.quiet_s)
