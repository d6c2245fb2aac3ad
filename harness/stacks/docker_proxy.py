"""The proxy server of a run in its container: which one, where its links are listened for, and how they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.core.errors import EnvironmentFault
from harness.core.stack import LinkSpec
from harness.proxy.adapter import LinkProxyHandle, ProxySpec, ToxiproxyServer
from harness.proxy.api import ProxyUnavailable
from harness.stacks.docker_instances import EVERYWHERE, FIRST_LINK_PORT, Image, Instance
from harness.stacks.docker_plan import Plan
from harness.stacks.docker_topology import CLIENT, PROXY, to_link
from harness.stacks.ports import LOOPBACK, Ports
from harness.stacks.proxy_choice import IMAGE
from harness.stacks.proxy_container import ProxyContainer, embedded_container, toxiproxy_container
from harness.stacks.proxy_server import answering, proxy_name


def container_for(proxy: str | None, seed: int) -> ProxyContainer:
    """Return how the chosen server runs in a container: the real Toxiproxy only where it was asked for."""
    return toxiproxy_container() if proxy == IMAGE else embedded_container(seed)


def proxy_instance(server: ProxyContainer, image: Image, plan: Plan, ports: Ports) -> Instance:
    """Make the proxy's container: its API is published, and each link that people come by."""
    shown = [server.api_port, *(port for link, port in link_ports(plan).items() if link.startswith(CLIENT))]
    return Instance(
        role=PROXY,
        service=PROXY,
        image=image,
        entrypoint=server.entrypoint,
        command=server.command,
        env={},
        published={port: ports.reserve() for port in shown},
        port=server.api_port,
    )


def link_ports(plan: Plan) -> dict[str, int]:
    """Return the port inside the proxy's container on which each link is listened for."""
    return {link: FIRST_LINK_PORT + number for number, link in enumerate(plan.links)}


def addresses(plan: Plan, proxy: Instance) -> dict[str, str]:
    """Return where each link begins for its source: people come from this host, services on the link's own network."""
    return {
        link: f"{LOOPBACK}:{proxy.published[port]}" if link.startswith(CLIENT) else f"{to_link(link)}:{port}"
        for link, port in link_ports(plan).items()
    }


async def connected(proxy: Instance, wanted: str | None) -> ToxiproxyServer:
    """Wait until the server in the container answers; raises ``EnvironmentFault``."""
    try:
        server = await answering(f"http://{proxy.address}", lambda: True)
    except ProxyUnavailable as problem:
        raise EnvironmentFault(
            f"the proxy's container did not answer: {problem}", hint="see proxy.log in the run's logs"
        ) from None
    if wanted == IMAGE:
        server.info = replace(server.info, kind=IMAGE)
    return server


async def make_links(server: ToxiproxyServer, plan: Plan, run: str) -> dict[str, LinkProxyHandle]:
    """Make a proxy for each edge; what it forwards to is found by Docker's name server, at each connection anew."""
    specs = {link: _spec(run, link, plan.links[link], port, plan.ports) for link, port in link_ports(plan).items()}
    try:
        made = {handle.name: handle for handle in await server.populate(list(specs.values()))}
    except ProxyUnavailable as problem:
        raise EnvironmentFault(
            f"the proxies of run {run} could not be made: {problem}", hint="see proxy.log in the run's logs"
        ) from None
    return {link: made[spec.name] for link, spec in specs.items()}


def _spec(run: str, name: str, link: LinkSpec, port: int, ports: Mapping[str, int]) -> ProxySpec:
    return ProxySpec(proxy_name(run, name), f"{link.service}:{ports[link.end]}", f"{EVERYWHERE}:{port}")
