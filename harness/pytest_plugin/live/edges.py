"""A running stack that gets more edges: people who turn up later have ways of their own through the proxy server.

A proxy in a container can be reached only by ports that were published when it was made, and what is made on a server
of others has to be in the journal first. There the stack has edges of people who do not exist yet, and lends them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from harness.core.errors import EnvironmentFault
from harness.proxy.adapter import LinkProxyHandle, ToxiproxyServer
from harness.proxy.api import LinkProxy, ProxyUnavailable
from harness.scenario.scene import own_link
from harness.stacks.api import Stack
from harness.stacks.launchers import EXTERNAL, IN_CONTAINERS

SPARE = 16
"""People and further devices that one test may name where edges cannot be made later."""
LENDING = IN_CONTAINERS | {EXTERNAL}


class _WithLent:
    """The stack as it is, with edges under the names of those who have them now; the others' are not shown."""

    def __init__(self, stack: Stack, lent: Mapping[str, str]) -> None:
        self._stack = stack
        self._lent = lent

    def link(self, name: str) -> LinkProxy:
        return self._stack.link(self._lent.get(name, name))

    def links(self) -> Sequence[str]:
        return [*(name for name in self._stack.links() if name in self._stack.spec.links), *self._lent]

    def url(self, link: str) -> str:
        return self._stack.url(self._lent.get(link, link))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stack, name)


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
    stack: Stack, server: ToxiproxyServer, owners: Collection[str], *, run: str, spare: list[str]
) -> AsyncIterator[Stack]:
    """Give each owner (a person, or a device ``alice/phone``) an edge of each link that people can have of their own.

    The proxies are named after the run and deleted at the end; those of the ``spare`` people, where there are any, are
    lent. Raises ``EnvironmentFault`` when they cannot be made.
    """
    if stack.launcher in LENDING:
        async with _lent(stack, owners, spare) as lent:
            yield lent
    else:
        async with _made(stack, server, owners, run) as made:
            yield made


def spare_people(launcher: str) -> list[str]:
    """Names of the people whose edges a stack has to have from its start, to be lent later."""
    return [f"spare-{number}" for number in range(1, SPARE + 1)] if launcher in LENDING else []


@asynccontextmanager
async def _lent(stack: Stack, owners: Collection[str], spare: list[str]) -> AsyncIterator[Stack]:
    if len(owners) > len(spare):
        raise EnvironmentFault(
            f"{len(owners)} people and devices want ways of their own, and {len(spare)} are left",
            hint="name fewer in one test, or run it with --chaos-launcher embedded",
        )
    taken = dict(zip(owners, [spare.pop() for _ in owners], strict=True))
    links = _links_of_people(stack)
    try:
        lent = {own_link(link, owner): own_link(link, name) for owner, name in taken.items() for link in links}
        yield cast("Stack", _WithLent(stack, lent))
    finally:
        spare.extend(taken.values())


@asynccontextmanager
async def _made(stack: Stack, server: ToxiproxyServer, owners: Collection[str], run: str) -> AsyncIterator[Stack]:
    edges: dict[str, LinkProxyHandle] = {}
    try:
        for number, owner in enumerate(owners):
            for link in _links_of_people(stack):
                upstream = stack.direct_url(stack.spec.links[link].service).removeprefix("http://")
                name = f"{run}.{number}.{link.replace('->', '.')}"
                edges[own_link(link, owner)] = await server.create(name, upstream)
        yield cast("Stack", _WithEdges(stack, edges))
    except ProxyUnavailable as problem:
        raise EnvironmentFault(
            f"the proxy server failed: {problem}", hint="see proxy.log in the stack's logs"
        ) from None
    finally:
        for handle in edges.values():
            await server.delete(handle.name)


def _links_of_people(stack: Stack) -> list[str]:
    return [link.name for link in stack.spec.links.values() if link.per_person and link.name in stack.links()]
