"""The proxy's container in a compose project: where it listens for whom, and how the ways through it are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.errors import EnvironmentFault
from harness.proxy.adapter import LinkProxyHandle, ProxySpec, ToxiproxyServer
from harness.proxy.api import ProxyUnavailable
from harness.stacks.compose_plan import PROXY, ComposePlan, Edge, hidden
from harness.stacks.docker_instances import EVERYWHERE, FIRST_LINK_PORT, Image, Instance
from harness.stacks.ports import LOOPBACK, Ports
from harness.stacks.proxy_container import ProxyContainer
from harness.stacks.proxy_server import proxy_name


def proxy_instance(server: ProxyContainer, image: Image, plan: ComposePlan, ports: Ports) -> Instance:
    """Make the proxy's container: its API is published, and each link that people come by."""
    return Instance(
        role=PROXY,
        service=PROXY,
        image=image,
        entrypoint=server.entrypoint,
        command=server.command,
        env={},
        published={port: ports.reserve() for port in (server.api_port, *_client_ports(plan).values())},
        port=server.api_port,
    )


def begins(plan: ComposePlan, proxy: Instance) -> dict[str, str]:
    """Return where each link begins for its source: people come from this host, services by the target's own name."""
    ports = _client_ports(plan)
    return {
        name: f"{LOOPBACK}:{proxy.published[ports[name]]}" if name in ports else f"{edge.target}:{edge.port}"
        for name, edge in plan.links.items()
    }


async def make_edges(
    server: ToxiproxyServer, plan: ComposePlan, inspected: Mapping[str, Any]
) -> dict[str, LinkProxyHandle]:
    """Make a proxy for each edge, also those that no link names, and return those of the links.

    What services call comes in on the address that the proxy has on the network of that edge, at the service's own
    port, so that two services with the same port do not meet.
    """
    addresses = {name: its["IPAddress"] for name, its in inspected["NetworkSettings"]["Networks"].items()}
    ports = _client_ports(plan)
    specs = {}
    for edge in (*plan.links.values(), *plan.callers):
        listen = (
            f"{EVERYWHERE}:{ports[edge.name]}"
            if edge.caller is None
            else f"{addresses[plan.between_network(edge)]}:{edge.port}"
        )
        specs[edge.name] = _spec(plan, edge, listen)
    try:
        made = {handle.name: handle for handle in await server.populate(list(specs.values()))}
    except ProxyUnavailable as problem:
        raise EnvironmentFault(
            f"the proxies of run {plan.run} could not be made: {problem}",
            hint=f"see {PROXY}.log in the run's logs",
        ) from None
    return {name: made[specs[name].name] for name in plan.links}


def _client_ports(plan: ComposePlan) -> dict[str, int]:
    names = [name for name, edge in plan.links.items() if edge.caller is None]
    return {name: FIRST_LINK_PORT + number for number, name in enumerate(names)}


def _spec(plan: ComposePlan, edge: Edge, listen: str) -> ProxySpec:
    # An edge that no link names goes by compose's names, which may be those of another link: kept apart by a mark.
    name = edge.name if edge.name in plan.links else f"{edge.name}/other"
    return ProxySpec(proxy_name(plan.run, name), f"{hidden(edge.target)}:{edge.port}", listen)
