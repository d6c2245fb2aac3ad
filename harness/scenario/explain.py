"""What a run of a scenario would do, in plain words, without doing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.core.plan import (
    BlockWorkload,
    DirectWorkload,
    FaultPlan,
    GroupWorkload,
    LoadPlan,
    LoadStep,
    OfflineWorkload,
    PersonPlan,
    ScenarioPlan,
    Start,
    ToDeviceWorkload,
    Workload,
)
from harness.core.stack import AbortRules, StackSpec
from harness.faults.registry import kinds
from harness.scenario.params import shown_param
from harness.scenario.scene import own_link
from harness.scenario.slos import describe
from harness.scenario.units import format_duration, format_percent, format_rate

FEW = 6
"""How many people of a list are named one by one."""


def explain(plan: ScenarioPlan, spec: StackSpec) -> str:
    """Return the timeline of a scenario on a stack as text, the same for the same plan; times count from inject."""
    return "\n".join(_lines(plan, spec)) + "\n"


def _lines(plan: ScenarioPlan, spec: StackSpec) -> Iterator[str]:
    yield f"{plan.id}: {plan.title}"
    yield f"  stack     {spec.name}, spoken to by driver {spec.driver}"
    if plan.parameters:
        yield f"  set       {', '.join(f'{name}={value}' for name, value in plan.parameters.items())}"
    missing = sorted(set(plan.needs) - spec.capabilities)
    if missing or plan.absent:
        yield f"  skipped   {'; '.join(plan.absent) or 'the stack lacks ' + ', '.join(missing)}"
    yield f"  people    {_people(plan.people)}"
    if plan.load:
        yield f"  load      instead, with `chat-chaos load`: {describe_load(plan.load)}"
    if plan.defects:
        yield f"  client    naive: {', '.join(plan.defects)}"
    yield f"  proxies   {', '.join(proxies(plan, spec))}"
    if any(service.external for service in spec.services.values()):
        yield f"  given up  (--launcher external) {_list(_aborts(spec.abort))}"
    yield f"  timeline  {format_duration(plan.phases.total_s)} declared, plus start-up, healing and reading back"
    yield from (f"    {when:>8}  {what}" for when, what in _timeline(plan))
    yield "  held to"
    yield from (f"    {line}" for line in _expectations(plan))


def proxies(plan: ScenarioPlan, spec: StackSpec, launcher: str = "embedded") -> list[str]:
    """Return the links that get a proxy: those of the launcher, and one for each person whom a fault names."""
    links = [link for link in spec.links.values() if link.launchers is None or launcher in link.launchers]
    own = [own_link(link.name, name) for link in links if link.per_person for name in sorted(plan.fault_people)]
    return [*(link.name for link in links), *own]


def _aborts(rules: AbortRules) -> list[str]:
    """When a run against a system that outlives it ends early."""
    bounds: tuple[tuple[float | None, Callable[[float], str], str], ...] = (
        (rules.after_s, format_duration, "after {}"),
        (rules.unhealthy_for_s, format_duration, "when a service is unhealthy for {}"),
        (rules.proxy_silent_for_s, format_duration, "when the proxy server is silent for {}"),
        (rules.baseline_errors, format_percent, "when over {} of attempts fail before any fault"),
        (rules.baseline_latency_s, format_duration, "when p95 of acceptance is over {} before any fault"),
    )
    return [text.format(show(bound)) for bound, show, text in bounds if bound is not None]


def describe_load(load: LoadPlan) -> str:
    """Return a crowd in words."""
    mix = load.mix
    said = [f"{load.people} people at {format_rate(load.rate_per_s)} together"]
    if mix.group:
        said.append(f"{format_percent(mix.group)} of it to groups of {mix.group_size}")
    if mix.hot:
        said.append(f"{format_percent(mix.hot)} of it by {mix.hot_writers} to a group of {mix.hot_members}")
    if mix.away:
        said.append(f"{format_percent(mix.away)} of them away, {format_duration(mix.away_for_s)} each")
    before = [0.0, *(step.share for step in load.shape)]
    steps = [_step(step, share) for step, share in zip(load.shape, before, strict=False)]
    return f"{', '.join(said)}; {', then '.join(steps)}"


def _step(step: LoadStep, before: float) -> str:
    takes = format_duration(step.over_s)
    return f"held for {takes}" if step.share == before else f"{format_percent(step.share)} online after {takes}"


def _people(people: Sequence[PersonPlan]) -> str:
    named = [f"{person.name} ({', '.join(person.devices)}{', push' * person.push})" for person in people[:FEW]]
    rest = [] if len(people) <= FEW else [f"and {len(people) - FEW} more"]
    return ", ".join([*named, *rest])


def _timeline(plan: ScenarioPlan) -> Iterator[tuple[str, str]]:
    phases = plan.phases
    yield f"-{format_duration(phases.baseline_s)}", f"baseline: {_list(_workloads(plan.workloads))}"
    yield "0s", "inject: faults are armed; observe begins"
    yield from _dated([*_changes(plan), *_faults(plan)])
    yield format_duration(phases.observe_s), "heal: whatever still holds is taken back, last in first out"
    yield (
        "then",
        f"quiet for {format_duration(phases.quiet_s)}: undisturbed messages, then what is pending must get through",
    )
    yield "then", "final: every device follows its own cursor to the end"
    yield "then", "oracle: everything is read back over a way that no fault touches, and judged"


def _dated(moments: Sequence[tuple[float | None, str]]) -> Iterator[tuple[str, str]]:
    """What has a time in the order of time, then what waits for an event."""
    known = sorted((moment for moment in moments if moment[0] is not None), key=lambda one: one[0] or 0.0)
    yield from ((format_duration(at or 0.0), text) for at, text in known)
    yield from (("when due", text) for at, text in moments if at is None)


def _changes(plan: ScenarioPlan) -> Iterator[tuple[float | None, str]]:
    """What people do at a set time, beside writing."""
    for item in plan.workloads:
        if isinstance(item, OfflineWorkload):
            yield item.at_s, f"{item.device} goes offline"
            yield item.at_s + item.for_s, f"{item.device} comes back"
        elif isinstance(item, BlockWorkload):
            yield item.at_s, f"{item.by} blocks {item.of}"
        elif isinstance(item, GroupWorkload):
            yield from ((at, f"{person} joins the group of {_some(item.members)}") for at, person in item.joins)
            yield from ((at, f"{person} leaves the group of {_some(item.members)}") for at, person in item.leaves)
            yield from ((at, f"{by} blocks {of}") for at, by, of in item.blocks)


def _faults(plan: ScenarioPlan) -> Iterator[tuple[float | None, str]]:
    by_id = {fault.id: fault for fault in plan.faults}
    for fault in plan.faults:
        at = _start_time(fault, by_id)
        yield at, f"{fault.id}: {fault.kind} on {fault.target}{_params(fault)}{_start(fault.start)}{_end(fault, at)}"


def _start_time(fault: FaultPlan, by_id: dict[str, FaultPlan]) -> float | None:
    while fault.start.with_fault is not None:
        fault = by_id[fault.start.with_fault]
    return fault.start.at_s


def _params(fault: FaultPlan) -> str:
    declared = kinds()[fault.kind].params
    shown = [f"{name} {shown_param(declared[name], value)}" for name, value in sorted(fault.params.items())]
    return f" ({', '.join(shown)})" if shown else ""


def _start(start: Start) -> str:
    if start.with_fault is not None:
        return f", together with {start.with_fault}"
    if start.after is None:
        return ""
    whose = f" of {start.of}" if start.of else ""
    return f", after {_ordinal(start.nth)} {start.after}{whose}"


def _end(fault: FaultPlan, at: float | None) -> str:
    if fault.for_s is None:
        return ", until heal" if kinds()[fault.kind].duration == "optional" else ""
    until = "" if at is None else f", until {format_duration(at + fault.for_s)}"
    return f", for {format_duration(fault.for_s)}{until}"


def _ordinal(number: int) -> str:
    teens = number % 100 in {11, 12, 13}
    suffix = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"the {number}{suffix}"


def _workloads(workloads: Sequence[Workload]) -> list[str]:
    return [text for item in workloads if (text := _workload(item))]


def _workload(item: Workload) -> str:
    if isinstance(item, DirectWorkload):
        over = {"websocket": "", "http": " over HTTP", "media": " as files"}[item.over]
        return f"{item.sender} writes to {item.recipient} at {format_rate(item.rate_per_s)}{over}"
    if isinstance(item, ToDeviceWorkload):
        return f"{item.sender} sends to each device of {item.recipient} at {format_rate(item.rate_per_s)}"
    if isinstance(item, GroupWorkload):
        return f"{_some(item.members)} write to their group at {format_rate(item.rate_per_s)} together"
    return ""


def _some(names: Sequence[str]) -> str:
    rest = [] if len(names) <= FEW else [f"{len(names) - FEW} more"]
    *others, last = [*names[:FEW], *rest]
    return f"{', '.join(others)} and {last}" if others else last


def _expectations(plan: ScenarioPlan) -> Iterator[str]:
    checks = ", ".join(plan.required_checks)
    yield f"checks {checks} must have had something to look at; all others run too" if checks else "all checks run"
    for fault in plan.faults:
        seen = f", and cause {', '.join(fault.must_see)}" if fault.must_see else ""
        yield f"{fault.id} must cross {_operations(fault.min_exposed)}{seen}: otherwise the run proves nothing"
    yield f"messages flow again within {format_duration(plan.recover_within_s)} of healing"
    yield from (describe(slo) for slo in plan.slos)
    yield from (f"with mutant {mutant}, {check} must fail" for mutant, check in plan.catches.items())


def _operations(count: int) -> str:
    return "at least 1 operation in flight" if count == 1 else f"at least {count} operations in flight"


def _list(parts: Sequence[str]) -> str:
    return "; ".join(parts) or "nobody writes"
