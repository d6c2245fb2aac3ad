"""Any Toxiproxy-compatible server as the harness uses it: asynchronous, with time-outs, several per process.

Built on toxiproxy-python: ``native`` of a server or a proxy is the library's own object, bound to that server. Blocking
calls run in a thread. A call that fails raises ``ProxyUnavailable`` with a sentence (``ProxyRefused`` when the server
answered no, so that nothing was changed); a call that could never be right (400, a deadly slicer) ValueError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar

from harness.proxy import adapter_wire as wire
from harness.proxy.adapter_native import BoundProxy, BoundToxiproxy, change_toxic
from harness.proxy.adapter_wire import Connection, ProxySpec
from harness.proxy.api import Counters, ProxyInfo, ProxyState, Stream
from harness.proxy.http_client import HttpApi, Json, ProxyRefused, ProxySilent

__all__ = ["Connection", "LinkProxyHandle", "ProxyRefused", "ProxySpec", "ToxiproxyServer", "connect"]

Result = TypeVar("Result")

DELETIONS = 5
"""Each takes as long as a call may: Toxiproxy waits 5 s for every connection whose peer does not read."""


class LinkProxyHandle:
    """One proxy of a server; ``native`` is the ``toxiproxy.Proxy`` for it.

    Changes take turns, and what is read while a proxy is being made again is read after that.
    """

    def __init__(self, api: HttpApi, state: ProxyState) -> None:
        self._api = api
        self.name = state.name
        self.native = BoundProxy(api, state)
        self._toxics: dict[str, Json] = {}  # those added here, as they were asked for
        self._changing = asyncio.Lock()
        self._made_again = 0

    @property
    def listen(self) -> str:
        """``host:port`` that the proxy listens on, as the server last told it."""
        return str(self.native.listen)

    async def state(self) -> ProxyState:
        """Read the proxy back."""
        return self._absorbed(wire.proxy(await self._read("GET")))

    async def enable(self, enabled: bool) -> None:
        """Open or close the listener; closing also ends open connections."""
        async with self._changing:
            self._absorbed(wire.proxy(await self._call("POST", body={"enabled": enabled})))

    async def update(self, *, listen: str | None = None, upstream: str | None = None) -> None:
        """Move the listener or the upstream: ends open connections when they change, keeps the toxics."""
        given = {"listen": listen, "upstream": upstream}
        body = {key: value for key, value in given.items() if value is not None}
        async with self._changing:
            self._absorbed(wire.proxy(await self._call("POST", body=body)))

    async def add_toxic(
        self, type: str, *, stream: Stream, attributes: Mapping[str, int], name: str, toxicity: float = 1.0
    ) -> None:
        """Install a toxic."""
        _check_toxicity(toxicity)
        wire.refuse_deadly(type, attributes)
        body = {"name": name, "type": type, "stream": stream, "toxicity": toxicity, "attributes": dict(attributes)}
        async with self._changing:
            await self._call("POST", "toxics", body=body)
            self._toxics[name] = body

    async def update_toxic(
        self, name: str, *, attributes: Mapping[str, int] | None = None, toxicity: float | None = None
    ) -> None:
        """Change a toxic: attributes and toxicity that are not given keep their values.

        Every open connection rolls anew whether the toxic acts on it.
        """
        _check_toxicity(toxicity)
        given = dict(attributes or {})
        async with self._changing:
            now = await _off_loop(lambda: change_toxic(self._api, self.name, name, attributes=given, toxicity=toxicity))
            if name in self._toxics:
                self._toxics[name] = asdict(now)

    async def remove_toxic(self, name: str) -> None:
        """Remove a toxic; one that is not there is no error.

        Toxiproxy 2.12.0 can hang in it for good, and says 503 after 25 s (issue 558: what the toxic kept back cannot be
        written to a peer that does not read). The proxy is then made again on its port, with the other toxics that
        were added by this handle; its open connections end.
        """
        async with self._changing:
            try:
                await self._call("DELETE", "toxics", name)
            except ProxyRefused as exc:
                if exc.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    await self._make_again(without=name)
                elif exc.reason != "toxic not found":
                    raise
            except ProxySilent:
                await self._make_again(without=name)
            self._toxics.pop(name, None)

    async def counters(self) -> Counters | None:
        """Live totals, or None from a server that has none."""
        content = await self._extension("GET", "counters")
        return None if content is None else wire.counters(content)

    async def connections(self) -> tuple[Connection, ...] | None:
        """Open connections, or None from a server that cannot list them."""
        content = await self._extension("GET", "connections")
        return None if content is None else wire.connections(content)

    async def reset_connections(self, connection: str | None = None) -> bool:
        """End the open connections, or one of them, with a TCP reset; False from a server that cannot."""
        path = ("connections",) if connection is None else ("connections", connection)
        return await self._extension("DELETE", *path) is not None

    async def _make_again(self, *, without: str) -> None:
        native = self.native
        spec = ProxySpec(self.name, str(native.upstream), self.listen, bool(native.enabled))
        await self._delete()
        state = wire.proxy(await _off_loop(lambda: self._api.call("POST", "proxies", body=spec.body())))
        others = [body for name, body in self._toxics.items() if name != without]
        for body in others:
            await self._call("POST", "toxics", body=body)
        self._absorbed(state)
        self._made_again += 1

    async def _delete(self) -> None:
        """Delete the proxy: what hangs in it holds that up too, and then it happens later than the answer says."""
        for attempt in range(1, DELETIONS + 1):
            try:
                await self._call("DELETE")
            except ProxyRefused as exc:
                if exc.status == HTTPStatus.NOT_FOUND:
                    return
                if exc.status != HTTPStatus.SERVICE_UNAVAILABLE or attempt == DELETIONS:
                    raise
            except ProxySilent:
                if attempt == DELETIONS:
                    raise
            else:
                return

    def _absorbed(self, state: ProxyState) -> ProxyState:
        self.native.absorb(state)
        return state

    async def _call(self, method: str, *path: str, body: Json | None = None) -> bytes:
        return await _off_loop(lambda: self._api.call(method, "proxies", self.name, *path, body=body))

    async def _read(self, method: str, *path: str) -> bytes:
        before = self._made_again
        try:
            return await self._call(method, *path)
        except ProxyRefused as exc:
            made_again = self._changing.locked() or self._made_again != before
            if exc.status != HTTPStatus.NOT_FOUND or not made_again:
                raise
        async with self._changing:
            return await self._call(method, *path)

    async def _extension(self, method: str, *path: str) -> bytes | None:
        try:
            return await self._read(method, *path)
        except ProxyRefused as exc:
            # Toxiproxy does not know the route; the embedded server says which thing it did not find.
            if exc.status == HTTPStatus.NOT_FOUND and exc.reason == "404 page not found":
                return None
            raise


class ToxiproxyServer:
    """A running server; ``native`` is the ``toxiproxy.Toxiproxy`` for it."""

    def __init__(self, api: HttpApi, info: ProxyInfo) -> None:
        self._api = api
        self.info = info
        self.native = BoundToxiproxy(api)

    async def create(
        self, name: str, upstream: str, listen: str = "127.0.0.1:0", *, enabled: bool = True
    ) -> LinkProxyHandle:
        """Make a proxy; ``ProxyRefused`` when the name (409) or the port (500) is taken."""
        spec = ProxySpec(name, upstream, listen, enabled)
        return self._handle(wire.proxy(await self._call("POST", "proxies", body=spec.body())))

    async def populate(self, specs: Sequence[ProxySpec]) -> list[LinkProxyHandle]:
        """Make several proxies in one request.

        One that is there with the same listen and upstream stays as it is, toxics and all; one that differs is
        replaced.
        """
        content = await self._call("POST", "populate", body=[spec.body() for spec in specs])
        return [self._handle(state) for state in wire.populated(content)]

    async def proxies(self) -> dict[str, LinkProxyHandle]:
        """All proxies by name."""
        found = wire.proxies(await self._call("GET", "proxies"))
        return {name: self._handle(state) for name, state in found.items()}

    async def get(self, name: str) -> LinkProxyHandle:
        """One proxy; ``ProxyRefused`` (404) when there is none of that name."""
        return self._handle(wire.proxy(await self._call("GET", "proxies", name)))

    async def delete(self, name: str) -> bool:
        """Delete a proxy, ending its connections; False when there was none."""
        try:
            await self._call("DELETE", "proxies", name)
        except ProxyRefused as exc:
            if exc.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    async def reset(self) -> None:
        """Enable all proxies and remove all toxics."""
        await self._call("POST", "reset")

    async def close(self) -> None:
        """Close the connections to the server; the proxies stay."""
        await asyncio.to_thread(self._api.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _handle(self, state: ProxyState) -> LinkProxyHandle:
        return LinkProxyHandle(self._api, state)

    async def _call(self, method: str, *path: str, body: Json | None = None) -> bytes:
        return await _off_loop(lambda: self._api.call(method, *path, body=body))


async def connect(url: str, *, timeout_s: float = 5.0) -> ToxiproxyServer:
    """Reach a server and learn which it is; ``timeout_s`` bounds the wait of every later call, too.

    Raises ``ProxyUnavailable`` when nothing, or something else, answers there, and ValueError for what is no URL.
    """
    api = HttpApi(url, timeout_s=timeout_s)
    try:
        version = wire.version(await _off_loop(lambda: api.call("GET", "version")))
    except BaseException:
        api.close()
        raise
    kind = "embedded" if version.endswith(wire.EXTENSION_MARK) else "toxiproxy"
    return ToxiproxyServer(api, ProxyInfo(kind, version, api.url))


async def _off_loop(call: Callable[[], Result]) -> Result:
    try:
        return await asyncio.to_thread(call)
    except ProxyRefused as exc:
        if exc.status == HTTPStatus.BAD_REQUEST:
            raise ValueError(str(exc)) from exc
        raise


def _check_toxicity(toxicity: float | None) -> None:
    # Toxiproxy takes any number; above 1 means always, which a reader of the scenario would not guess.
    if toxicity is not None and not 0 <= toxicity <= 1:
        raise ValueError(f"toxicity is {toxicity}, it is a share from 0 to 1")
