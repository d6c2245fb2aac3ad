"""What a scenario asks of its proxy server: what the real Toxiproxy could not carry, or does differently."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.plan import FaultPlan, ScenarioPlan
from harness.core.stack import LinkSpec, StackSpec, base_link
from harness.engine.bypass import client_services
from harness.engine.options import RunOptions
from harness.engine.slowness import NOTICEABLE_S, noticeable
from harness.faults.registry import kinds
from harness.stacks.forms import CLIENT
from harness.stacks.launchers import EXTERNAL
from harness.stacks.proxy_choice import AUTO, EMBEDDED, EXTENSIONS, TOXIPROXY, Choice, choose


def proxy_for(plan: ScenarioPlan, spec: StackSpec, options: RunOptions) -> Choice:
    """Choose the server that a scenario runs through."""
    if named(spec, options.launcher):
        return Choice(wanted(spec, options.launcher, options.proxy), f"stack {spec.name} names it")
    return choose(options.proxy or AUTO, options.launcher, obstacles(plan, spec))


def wanted(spec: StackSpec, launcher: str, proxy: str | None) -> str:
    """Return the kind of server that is asked for; one that a stack file names is the real one unless the user says."""
    chosen = proxy or AUTO
    return TOXIPROXY if chosen == AUTO and named(spec, launcher) else chosen


def named(spec: StackSpec, launcher: str) -> bool:
    """Tell whether the stack file names a server that runs already."""
    return launcher == EXTERNAL and spec.external.toxiproxy is not None


def uncarried(plan: ScenarioPlan, spec: StackSpec, proxy: str | None) -> list[str]:
    """Return why a scenario cannot be played through the server that the user insists on; empty when it can."""
    if proxy in {None, AUTO, EMBEDDED}:
        return []
    return [f"{reason} (--proxy {proxy})" for reason in obstacles(plan, spec)]


def obstacles(plan: ScenarioPlan, spec: StackSpec) -> list[str]:
    """Return why the real Toxiproxy could not carry a scenario: an extension, or a fault that only counters prove.

    The real one counts a connection's bytes when it ends, if at all, so that a fault must show in what people meet.
    """
    needed = [f"it needs {need}: {EXTENSIONS[need]}" for need in plan.needs if need in EXTENSIONS]
    return needed + [reason for fault in plan.faults if (reason := _unproven(fault, spec))]


def caveats(faults: Sequence[FaultPlan], proxy: str) -> tuple[str, ...]:
    """Return what the real Toxiproxy does differently with these faults, each once."""
    if proxy == EMBEDDED:
        return ()
    told = (f"{fault.kind}: {kinds()[fault.kind].caveat}" for fault in faults if kinds()[fault.kind].caveat)
    return tuple(dict.fromkeys(told))


def _unproven(fault: FaultPlan, spec: StackSpec) -> str:
    kind = kinds()[fault.kind]
    link = spec.links.get(base_link(fault.target)) if kind.targets == "link" else None
    if link is None:
        return ""
    if not _met(link, spec):
        return f"what {fault.kind} does on {fault.target} shows in live counters only: people do not meet it"
    if kind.slows is not None and not noticeable(fault):
        return (
            f"what {fault.kind} does on {fault.target} shows in live counters only: "
            f"an exchange gains less than {NOTICEABLE_S * 1000:g} ms"
        )
    return ""


def _met(link: LinkSpec, spec: StackSpec) -> bool:
    """Tell whether people meet what happens to a link: their own, and the ways of the services that answer them."""
    return link.service not in spec.providers and link.source in {CLIENT, *client_services(spec)}
