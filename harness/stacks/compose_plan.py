"""Where the proxy goes in a user's compose project. Pure.

The proxy takes the name of a service in the eyes of those that call it: a service at the end of a link between services
leaves the project's networks for one that it shares with the proxy alone, and everybody who shared a network with it
gets one with the proxy alone, where the proxy has the service's name. So no setting of the project changes, each
caller's traffic has a proxy of its own, and there is no other way. A service that only people talk to stays where it
is: people come by the proxy's published ports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import UsageError
from harness.core.stack import ComposeService, LinkSpec, StackSpec
from harness.stacks.docker_instances import roles_of
from harness.stacks.docker_topology import CLIENT, Network, Topology, plain, prefix
from harness.stacks.proxy_server import edges

LAUNCHER = "compose"
PROXY = "chat-chaos-proxy"
"""What the proxy's container is called; a project may well have a `proxy` of its own."""
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Edge:
    """One way through the proxy: ``caller`` and ``target`` by their names in the compose file; no caller: people."""

    name: str
    caller: str | None
    target: str
    port: int


@dataclass(frozen=True, slots=True)
class ComposePlan:
    """The services of the stack file by their names in it, and all edges by name.

    ``roles`` are the names of each service's containers in the run, by the service's name in the compose file;
    ``callers`` are edges that no link names: they exist so that nobody loses a service that got a proxy.
    """

    run: str
    services: Mapping[str, ComposeService]
    roles: Mapping[str, Sequence[str]]
    links: Mapping[str, Edge]
    callers: Sequence[Edge]

    @property
    def topology(self) -> Topology:
        """The networks that are the run's own."""
        return Topology(tuple(_networks(self)))

    @property
    def named(self) -> dict[str, str]:
        """What the stack file calls services of the compose file."""
        return {service.service: name for name, service in self.services.items()}

    @property
    def project(self) -> str:
        """The project's name for this run."""
        return project_name(self.run)

    @property
    def published(self) -> frozenset[str]:
        """Services, by their names in the compose file, that the harness itself has to reach."""
        return frozenset(edge.target for edge in self.links.values() if edge.caller is None)

    @property
    def moved(self) -> frozenset[str]:
        """Services that leave the project's networks."""
        return frozenset(edge.target for edge in self.links.values() if edge.caller is not None)

    @property
    def between(self) -> list[Edge]:
        """All edges that start at a service."""
        return [*(edge for edge in self.links.values() if edge.caller is not None), *self.callers]

    def to(self, target: str) -> str:
        """The network that a service shares with the proxy alone."""
        return f"{prefix(self.run)}-to-{plain(target)}"

    def between_network(self, edge: Edge) -> str:
        """The network that a caller shares with the proxy alone."""
        return f"{prefix(self.run)}-link-{plain(str(edge.caller))}-to-{plain(edge.target)}"


def project_name(run: str) -> str:
    """The name of a run's project: compose takes only small letters."""
    return re.sub(r"[^a-z0-9_-]", "-", prefix(run).lower())


def hidden(target: str) -> str:
    """The name by which only the proxy finds a service."""
    return f"{target}.behind-the-proxy"


def plan_of(spec: StackSpec, config: Mapping[str, Any], *, run: str, people: frozenset[str]) -> ComposePlan:
    """Settle who goes where; raises ``UsageError`` for what the project does not have, or cannot have."""
    services = {name: service.compose for name, service in spec.services.items() if service.compose is not None}
    networks = {name: networks_of(service) for name, service in config["services"].items()}
    _check(spec, services, networks)
    links = {
        name: _edge(name, link, services)
        for name, link in edges(spec, LAUNCHER, people).items()
        if link.service in services and link.source in {CLIENT, *services}
    }
    for edge in links.values():
        if edge.caller is not None and not networks[edge.caller] & networks[edge.target]:
            raise UsageError(
                f"stack {spec.name}: services {edge.caller} and {edge.target} of link {edge.name} share no network",
                hint="correct the link, or the names of its services in the compose file",
            )
    roles = _roles(services, config["services"])
    for edge in links.values():
        if edge.caller is None and len(roles[edge.target]) > 1:
            raise UsageError(
                f"people talk to service {edge.target} of the compose project, of which {len(roles[edge.target])} run",
                hint="run one of it, or let people talk to what stands in front of them",
            )
    callers = list(_others(links.values(), networks))
    return ComposePlan(run, services, roles, links, callers)


def _roles(services: Mapping[str, ComposeService], composed: Mapping[str, Any]) -> dict[str, list[str]]:
    """A service that the stack file does not name goes by its name in the compose file, marked as such."""
    named = {service.service: name for name, service in services.items()}
    return {name: roles_of(named.get(name, f"compose.{name}"), _replicas(its)) for name, its in composed.items()}


def _replicas(service: Mapping[str, Any]) -> int:
    return int(service.get("scale") or (service.get("deploy") or {}).get("replicas") or 1)


def networks_of(service: Mapping[str, Any]) -> frozenset[str]:
    """Return the networks of a service in a compose file: the default one if it names none."""
    if service.get("network_mode"):
        return frozenset()
    return frozenset(service.get("networks") or {DEFAULT})


def _check(spec: StackSpec, services: Mapping[str, ComposeService], networks: Mapping[str, frozenset[str]]) -> None:
    if not services:
        raise UsageError(
            f"stack {spec.name} has no service of a compose project", hint="give its services a `compose:` section"
        )
    for name, service in services.items():
        if service.service not in networks:
            raise UsageError(
                f"stack {spec.name}: the compose project has no service {service.service!r} for service {name}",
                hint=f"it has: {', '.join(sorted(networks))}",
            )
        if not networks[service.service]:
            raise UsageError(
                f"service {service.service} of the compose project has a `network_mode`, so that no proxy can be put "
                "in front of it",
                hint="let it use networks of the project",
            )


def _edge(name: str, link: LinkSpec, services: Mapping[str, ComposeService]) -> Edge:
    target = services[link.service]
    caller = None if link.source == CLIENT else services[link.source].service
    return Edge(name, caller, target.service, target.port)


def _others(links: Iterable[Edge], networks: Mapping[str, frozenset[str]]) -> Iterable[Edge]:
    """Whoever else could reach a service that moves, must still."""
    moved = {edge.target: edge.port for edge in links if edge.caller is not None}
    named = {(edge.caller, edge.target) for edge in links}
    for target, port in moved.items():
        for caller, its in networks.items():
            if caller != target and (caller, target) not in named and its & networks[target]:
                yield Edge(f"{caller}->{target}", caller, target, port)


def _networks(plan: ComposePlan) -> Iterator[Network]:
    yield Network(f"{prefix(plan.run)}-0-proxy", internal=False, members={PROXY: None})
    for target in sorted(plan.published | plan.moved):
        there: dict[str, str | None] = dict.fromkeys(plan.roles[target], hidden(target))
        yield Network(plan.to(target), internal=False, members={**there, PROXY: None})
    for edge in plan.between:
        callers: dict[str, str | None] = dict.fromkeys(plan.roles[str(edge.caller)])
        yield Network(plan.between_network(edge), internal=True, members={**callers, PROXY: edge.target})
