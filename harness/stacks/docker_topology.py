"""Which networks a stack has in Docker and who is on which: pure, so that it can be read and tested at a glance.

Every link is an internal network of its own, on which are the containers at its source and the proxy, nobody else.
Every service has a network of its own too, not internal since an internal one publishes no ports, on which are its
replicas and the proxy. So from one service to another there is no way but the proxy. Of several networks a container
takes as its way out, by which its ports are published, one that is not internal, the first in the order of names
(libnetwork, sandbox.go): the proxy's own is named to come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.stack import LinkSpec

PROXY = "proxy"
CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Network:
    """A network with its members: container roles, and the names under which the others find them there."""

    name: str
    internal: bool
    members: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Topology:
    """All networks of one run, the proxy's own first."""

    networks: tuple[Network, ...]

    def of(self, role: str) -> list[tuple[str, str | None]]:
        """Return the networks of a container, each with the container's name there; one that is a way out first."""
        mine = [network for network in self.networks if role in network.members]
        mine.sort(key=lambda network: network.internal)
        return [(network.name, network.members[role]) for network in mine]


def topology(run: str, roles: Mapping[str, Sequence[str]], links: Mapping[str, LinkSpec]) -> Topology:
    """Return the networks of a run; ``roles`` are the containers of each service, ``links`` all edges with a proxy."""
    return Topology(tuple(_networks(prefix(run), roles, links)))


def prefix(run: str) -> str:
    """What the names of everything of a run in Docker begin with."""
    return f"cc-{plain(run)}"


def plain(text: str) -> str:
    """The text as Docker takes it in a name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def to_link(link: str) -> str:
    """The name under which the containers at a link's source find the proxy: ``chat-to-db`` for ``chat->db``."""
    return re.sub(r"[^A-Za-z0-9-]", "-", link.replace("->", "-to-"))


def link_network(run: str, link: str) -> str:
    """The name of a link's own network, which is cut to part the two services."""
    return f"{prefix(run)}-link-{to_link(link)}"


def _networks(prefix: str, roles: Mapping[str, Sequence[str]], links: Mapping[str, LinkSpec]) -> Iterator[Network]:
    yield Network(f"{prefix}-0-proxy", internal=False, members={PROXY: None})
    for service, replicas in roles.items():
        members: dict[str, str | None] = dict.fromkeys(replicas, service)
        yield Network(f"{prefix}-to-{plain(service)}", internal=False, members={**members, PROXY: None})
    for name, link in links.items():
        if link.source != CLIENT:
            sources: dict[str, str | None] = dict.fromkeys(roles[link.source])
            yield Network(f"{prefix}-link-{to_link(name)}", internal=True, members={**sources, PROXY: to_link(name)})
