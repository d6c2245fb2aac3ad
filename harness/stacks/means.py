"""What a launcher cannot do to a stack, so that a scenario that needs it is skipped with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.findings import VERSION
from harness.core.plan import ParamValue
from harness.core.stack import StackSpec, base_link
from harness.core.versions import older
from harness.stacks.external_plan import CLIENT, has_way
from harness.stacks.forms import DOCKER, without_form
from harness.stacks.launchers import COMPOSE, EXTERNAL, outlives_runs
from harness.stacks.synapse_control import CANNOT, CANNOT_TOGETHER, LIMITS_SINCE

_CONTROL = "there is no control port that the harness knows"
_WITHOUT_OWN_PROGRAMS = (
    ("clock.server", "its clock is not the harness's to move"),
    ("rate_limit.", _CONTROL),
    ("token.", _CONTROL),
    ("push.", "its notifications do not go to a simulator"),
)
"""By the beginning of a kind's name: what takes a program that was made for it."""
_OF_DISKS = ("storage.", "process.power_loss")
_OF_CONTAINERS = ("network.partition", "resource.", *_OF_DISKS)


def lacking(
    launcher: str,
    spec: StackSpec,
    *,
    kind: str,
    targets: str,
    target: str,
    params: Mapping[str, ParamValue] | None = None,
) -> str:
    """Return why a launcher has no means for a fault of this kind on this target; empty when it has.

    ``targets`` is what the kind acts on, as in ``harness.faults.api.FaultKind``.
    """
    if targets == "device":
        return ""
    if why := _uncommanded(spec, kind, params or {}):
        return why
    if why := _uncontained(launcher, spec, kind, target):
        return why
    if launcher not in {COMPOSE, EXTERNAL}:
        return without_form(launcher, spec, targets=targets, target=target) or _fixed_clock(spec, kind, target)
    return _elsewhere(launcher, spec, kind=kind, targets=targets, target=target)


def _uncommanded(spec: StackSpec, kind: str, params: Mapping[str, ParamValue]) -> str:
    if spec.control != "synapse":
        return ""
    if kind == "rate_limit.lower" and params.get("scope") == "global":
        return f"{kind}: {CANNOT_TOGETHER}"
    version = spec.parameters.get(VERSION, LIMITS_SINCE)
    if kind == "rate_limit.lower" and older(version, LIMITS_SINCE):
        return f"{kind}: Synapse {version} has no command for it, releases since {LIMITS_SINCE} have"
    return f"{kind}: {CANNOT[kind]}" if kind in CANNOT else ""


def _elsewhere(launcher: str, spec: StackSpec, *, kind: str, targets: str, target: str) -> str:
    if targets == "link":
        return "" if _goes(launcher, spec, base_link(target)) else f"link {target} does not go through a proxy"
    for prefix, reason in _WITHOUT_OWN_PROGRAMS:
        if kind.startswith(prefix):
            return f"{kind}: {reason}"
    if outlives_runs(launcher, spec):
        return f"{kind}: {targets} {target} runs by itself, only links to it can be disturbed"
    service = spec.services.get(target)
    return "" if service is not None and service.compose is not None else f"{kind}: {target} is not in the project"


def _fixed_clock(spec: StackSpec, kind: str, target: str) -> str:
    if kind != "clock.server" or ((service := spec.services.get(target)) is not None and service.clock == "faketime"):
        return ""
    return f"{kind}: stack {spec.name} does not say `clock: faketime` of {target} (Redis, for one, hangs under it)"


def _uncontained(launcher: str, spec: StackSpec, kind: str, target: str) -> str:
    if not kind.startswith(_OF_CONTAINERS):
        return ""
    if launcher != DOCKER:
        return f"{kind} needs containers of the run's own, which only the docker launcher has"
    if base_link(target).startswith(f"{CLIENT}->"):
        return f"{kind}: the people at the beginning of link {target} are in no container"
    program = service.docker if (service := spec.services.get(target.partition(".")[0])) is not None else None
    if kind.startswith(_OF_DISKS) and program is not None and program.data is None:
        return f"{kind}: the stack file names no folder `data` of service {target} that a disk could be for"
    return ""


def _goes(launcher: str, spec: StackSpec, name: str) -> bool:
    link = spec.links.get(name)
    if link is None or (link.launchers is not None and launcher not in link.launchers):
        return False
    if launcher == EXTERNAL:
        return has_way(spec, name)
    its = {service for service, found in spec.services.items() if found.compose is not None}
    sources = {CLIENT} if outlives_runs(launcher, spec) else {CLIENT, *its}
    return link.service in its and link.source in sources
