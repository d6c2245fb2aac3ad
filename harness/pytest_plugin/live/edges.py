"""A running stack that gets more edges: people who turn up later have ways of their own through the proxy server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from harness.core.errors import EnvironmentFault
from harness.proxy.adapter import LinkProxyHandle, ToxiproxyServer
from harness.proxy.api import ProxyUnavailable
from harness.scenario.scene import own_link
from harness.stacks.api import Stack


class _WithEdges:
    """The stack as it is, with further links; everything else is the stack's own business."""

    def __init__(self, stack: Stack, edges: dict[str, LinkProxyHandle]) -> None:
        self._stack = stack
        self._edges = edges

    def link(self, name: str) -> LinkProxyHandle:
        return self._edges[name] if name in self._edges else cast("LinkProxyHandle", self._stack.link(name))

    def links(self) -> Sequence[str]:
        return [*self._stack.links(), *self._edges]

    def url(self, link: str) -> str:
        return f"http://{self._edges[link].listen}" if link in self._edges else self._stack.url(link)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stack, name)


@asynccontextmanager
async def with_edges(
    stack: Stack, server: ToxiproxyServer, owners: Collection[str], *, run: str
) -> AsyncIterator[Stack]:
    """Give each owner (a person, or a device ``alice/phone``) an edge of each link that people can have of their own.

    The proxies are named after the run and deleted at the end. Raises ``EnvironmentFault`` when they cannot be made.
    """
    edges: dict[str, LinkProxyHandle] = {}
    links = [link for link in stack.spec.links.values() if link.per_person and link.name in stack.links()]
    try:
        for number, owner in enumerate(owners):
            for link in links:
                upstream = stack.direct_url(link.service).removeprefix("http://")
                name = f"{run}.{number}.{link.name.replace('->', '.')}"
                edges[own_link(link.name, owner)] = await server.create(name, upstream)
        yield cast("Stack", _WithEdges(stack, edges))
    except ProxyUnavailable as problem:
        raise EnvironmentFault(
            f"the proxy server failed: {problem}", hint="see proxy.log in the stack's logs"
        ) from None
    finally:
        for handle in edges.values():
            await server.delete(handle.name)
