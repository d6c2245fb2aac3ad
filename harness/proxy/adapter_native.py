"""toxiproxy-python's own objects, each bound to one server.

The library keeps host and port on a class, so a process could talk to one server only, waits for ever, and lets a busy
port surface as ``KeyError: 'name'``. Its methods reach that class by a module-level name, so what calls it is
overridden here and the rest (``down``, ``get_toxic``, ``get_proxy``, ``destroy``, ``destroy_all``) is the library's.
Answers keep the library's shapes and exceptions; what it has no exception for is ``ProxyUnavailable``.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from toxiproxy import Proxy, Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from toxiproxy.toxic import Toxic

from harness.proxy import adapter_wire as wire
from harness.proxy.api import ProxyState, ToxicState
from harness.proxy.http_client import HttpApi, ProxyRefused

LIBRARY_ERRORS: Mapping[int, type[Exception]] = {400: InvalidToxic, 404: NotFound, 409: ProxyExists}


class BoundProxy(Proxy):  # type: ignore[misc] # toxiproxy-python has no types
    """A ``toxiproxy.Proxy`` of one server; ``name``, ``listen``, ``upstream`` and ``enabled`` as last answered."""

    def __init__(self, api: HttpApi, state: ProxyState) -> None:
        super().__init__(name=state.name, upstream=state.upstream, enabled=state.enabled, listen=state.listen)
        self._api = api

    def absorb(self, state: ProxyState) -> None:
        """Take over what the server answered."""
        self.upstream, self.enabled, self.listen = state.upstream, state.enabled, state.listen

    def refresh(self) -> None:
        """Read the proxy back from the server."""
        with library_errors():
            self.absorb(wire.proxy(self._api.call("GET", "proxies", self.name)))

    def update(self, *, listen: str | None = None, upstream: str | None = None, enabled: bool | None = None) -> None:
        """Change what is given; a new ``listen`` or ``upstream`` ends open connections and keeps the toxics."""
        given = {"listen": listen, "upstream": upstream, "enabled": enabled}
        body = {key: value for key, value in given.items() if value is not None}
        with library_errors():
            # POST and not PATCH: servers before 2.6.0 know no other.
            self.absorb(wire.proxy(self._api.call("POST", "proxies", self.name, body=body)))

    def enable(self) -> None:
        """Listen again."""
        self.update(enabled=True)

    def disable(self) -> None:
        """Stop listening and end open connections."""
        self.update(enabled=False)

    def destroy(self) -> bool:
        """Delete the proxy."""
        with library_errors():
            self._api.call("DELETE", "proxies", self.name)
        return True

    def toxics(self) -> dict[str, Toxic]:
        """All toxics by name."""
        with library_errors():
            found = wire.toxics(self._api.call("GET", "proxies", self.name, "toxics"))
        return {toxic.name: _native_toxic(toxic) for toxic in found}

    def add_toxic(self, **kwargs: Any) -> None:
        """Add a toxic: ``type``, and if wanted ``stream``, ``name``, ``toxicity``, ``attributes``."""
        wire.refuse_deadly(kwargs["type"], kwargs.get("attributes", {}))
        with library_errors():
            self._api.call("POST", "proxies", self.name, "toxics", body=vars(Toxic(**kwargs)))

    def update_toxic(
        self, toxic_name: str, *, attributes: Mapping[str, int] | None = None, toxicity: float | None = None
    ) -> None:
        """Change a toxic: attributes and toxicity that are not given keep their values."""
        with library_errors():
            change_toxic(self._api, self.name, toxic_name, attributes=attributes or {}, toxicity=toxicity)

    def destroy_toxic(self, toxic_name: str) -> bool:
        """Remove a toxic."""
        with library_errors():
            self._api.call("DELETE", "proxies", self.name, "toxics", toxic_name)
        return True


class BoundToxiproxy(Toxiproxy):  # type: ignore[misc] # toxiproxy-python has no types
    """A ``toxiproxy.Toxiproxy`` for one server: several can be used side by side."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api

    def proxies(self) -> dict[str, BoundProxy]:
        """All proxies by name."""
        with library_errors():
            found = wire.proxies(self._api.call("GET", "proxies"))
        return {name: BoundProxy(self._api, state) for name, state in found.items()}

    def running(self) -> bool:
        """Whether something accepts connections at the server's address."""
        try:
            with socket.create_connection(self._api.address, timeout=self._api.timeout_s):
                return True
        except OSError:
            return False

    def version(self) -> bytes | None:
        """The body of the server's answer, or None when it is not running."""
        if not self.running():
            return None
        with library_errors():
            return self._api.call("GET", "version")

    def reset(self) -> bool:
        """Enable all proxies and remove all toxics."""
        with library_errors():
            self._api.call("POST", "reset")
        return True

    def create(self, upstream: str, name: str, listen: str | None = None, enabled: bool | None = None) -> BoundProxy:
        """Make a proxy; ``listen`` is a free port of 127.0.0.1 unless given."""
        spec = wire.ProxySpec(name, upstream, listen or "127.0.0.1:0", enabled is not False)
        with library_errors():
            return BoundProxy(self._api, wire.proxy(self._api.call("POST", "proxies", body=spec.body())))

    def populate(self, proxies: Iterable[Mapping[str, Any]]) -> list[BoundProxy]:
        """Make the proxies in one request, and answer all of them, those that were there already included."""
        bodies = [wire.ProxySpec(**proxy).body() for proxy in proxies]
        with library_errors():
            made = wire.populated(self._api.call("POST", "populate", body=bodies))
        return [BoundProxy(self._api, state) for state in made]

    def update_api_consumer(self, host: str, port: int) -> None:
        """Point this object, and the proxies it gave out, to another server."""
        self._api.move(f"http://{host}:{port}")


def change_toxic(
    api: HttpApi, proxy: str, name: str, *, attributes: Mapping[str, int], toxicity: float | None
) -> ToxicState:
    """Update a toxic and return it as it is now; ValueError when the result would kill the server."""
    before = wire.toxic(api.call("GET", "proxies", proxy, "toxics", name))
    wire.refuse_deadly(before.type, {**before.attributes, **attributes})
    body: dict[str, object] = {"attributes": attributes}
    if toxicity is not None:
        body["toxicity"] = toxicity
    return wire.toxic(api.call("POST", "proxies", proxy, "toxics", name, body=body))


@contextmanager
def library_errors() -> Iterator[None]:
    """Turn a refusal into the exception by which toxiproxy-python tells it."""
    try:
        yield
    except ProxyRefused as exc:
        if exc.status not in LIBRARY_ERRORS:
            raise
        raise LIBRARY_ERRORS[exc.status](exc.reason) from exc


def _native_toxic(state: ToxicState) -> Toxic:
    return Toxic(**{**asdict(state), "attributes": dict(state.attributes)})
