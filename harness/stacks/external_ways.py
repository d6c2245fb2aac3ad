"""The proxies of a run on a server that others use too: made or claimed, and given back whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

from harness.core.errors import EnvironmentFault
from harness.proxy.adapter import LinkProxyHandle, ProxyRefused, ProxySpec, ToxiproxyServer
from harness.proxy.addresses import Address, parse
from harness.proxy.api import ProxyUnavailable
from harness.stacks.external_addresses import reached
from harness.stacks.external_plan import ExternalPlan, Way
from harness.stacks.journal import Journal

ENTRY = "chat-chaos/proxies"
"""In the journal; no fault of a scenario can have a name with a slash."""
IN_USE = "wait until whoever uses it has ended; what a run that is dead left there, remove by hand"


@dataclass(frozen=True, slots=True)
class OpenWay:
    """An edge's proxy and where people reach it."""

    proxy: LinkProxyHandle
    reached: Address


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of the journal (``harness.stacks.journal.Undo``)."""

    method: str
    url: str
    body: str = ""


@asynccontextmanager
async def opened(server: ToxiproxyServer, plan: ExternalPlan, journal: Journal) -> AsyncIterator[dict[str, OpenWay]]:
    """Yield the way of each edge; each command is in the journal before it is given, and taken back at the end.

    Raises ``EnvironmentFault`` when a proxy that should be there is not, is in use, or one cannot be made or removed.
    """
    await _look(server, plan)
    journal.applying(ENTRY, _undos(server, plan))
    try:
        yield await _open(server, plan)
    except BaseException:
        await _give_back(server, plan, journal)  # what else went wrong is the news
        raise
    if left := await _give_back(server, plan, journal):
        raise EnvironmentFault(
            f"the proxy server at {server.info.url} did not take everything back: {left}",
            hint="send it yourself: " + "; ".join(f"{one.method} {one.url}" for one in _undos(server, plan)),
        )


async def _look(server: ToxiproxyServer, plan: ExternalPlan) -> None:
    """Touch nothing that is missing, switched off, in use, or leads where no run may go."""
    there = {name: await handle.state() for name, handle in (await _all(server)).items()}
    for edge, way in plan.ways.items():
        if not way.is_there:
            continue
        if way.name not in there:
            known = ", ".join(sorted(there)) or "none"
            raise EnvironmentFault(
                f"there is no proxy {way.name!r} at {server.info.url} for link {edge}", hint=f"proxies there: {known}"
            )
        state = there[way.name]
        plan.allowed.check(parse(state.upstream), f"what proxy {way.name} leads to")
        plan.allowed.check(reached(state.listen, plan.server), f"proxy {way.name}")
        if not state.enabled or state.toxics:
            found = ", ".join(toxic.name for toxic in state.toxics)
            raise EnvironmentFault(
                f"proxy {way.name} at {server.info.url} is in use: "
                + (f"it has toxics ({found})" if found else "it is disabled"),
                hint=IN_USE,
            )


async def _all(server: ToxiproxyServer) -> dict[str, LinkProxyHandle]:
    try:
        return await server.proxies()
    except ProxyUnavailable as problem:
        raise EnvironmentFault(str(problem), hint="see that the proxy server still runs") from None


async def _open(server: ToxiproxyServer, plan: ExternalPlan) -> dict[str, OpenWay]:
    made = [ProxySpec(way.name, way.upstream, way.listen) for way in plan.ways.values() if not way.is_there]
    try:
        handles = {handle.name: handle for handle in await server.populate(made)} if made else {}
        for way in plan.ways.values():
            if way.is_there:
                handles[way.name] = await _claimed(server, way, plan.claim)
    except (ProxyUnavailable, ValueError) as problem:
        raise EnvironmentFault(
            f"the proxies of the run could not be set up at {server.info.url}: {problem}",
            hint="a name, a port or an address may be wrong, or taken",
        ) from None
    return {
        edge: OpenWay(handles[way.name], reached(handles[way.name].listen, plan.server))
        for edge, way in plan.ways.items()
    }


async def _claimed(server: ToxiproxyServer, way: Way, claim: str) -> LinkProxyHandle:
    """Mark a proxy as taken; of two runs that come at the same moment neither gets it."""
    proxy = await server.get(way.name)
    await proxy.add_toxic("noop", stream="upstream", attributes={}, name=claim)
    if others := [toxic.name for toxic in (await proxy.state()).toxics if toxic.name != claim]:
        raise EnvironmentFault(
            f"proxy {way.name} at {server.info.url} is in use: it has toxics ({', '.join(others)})", hint=IN_USE
        )
    return proxy


async def _give_back(server: ToxiproxyServer, plan: ExternalPlan, journal: Journal) -> str:
    """Take everything back and note it; return what went wrong, in which case the journal still has it."""
    trouble = ""
    for way in plan.ways.values():
        try:
            await _close(server, way, plan.claim)
        except ProxyUnavailable as problem:
            trouble = trouble or str(problem)
    if not trouble:
        journal.undone(ENTRY)
    return trouble


async def _close(server: ToxiproxyServer, way: Way, claim: str) -> None:
    if not way.is_there:
        await server.delete(way.name)
        return
    try:
        await (await server.get(way.name)).remove_toxic(claim)
    except ProxyRefused as gone:
        if gone.reason != "proxy not found":
            raise


def _undos(server: ToxiproxyServer, plan: ExternalPlan) -> list[Request]:
    proxies = {way: f"{server.info.url}/proxies/{quote(way.name, safe='')}" for way in plan.ways.values()}
    return [
        Request("DELETE", f"{url}/toxics/{quote(plan.claim, safe='')}" if way.is_there else url)
        for way, url in proxies.items()
    ]
