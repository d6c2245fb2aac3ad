"""All proxies of a server."""

from __future__ import annotations

from harness.proxy.decode import ProxyInput
from harness.proxy.errors import already_exists, not_found
from harness.proxy.proxy import Ground, Proxy


class Proxies:
    """All proxies of a server by name."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._proxies: dict[str, Proxy] = {}

    def all(self) -> list[Proxy]:
        """Return the proxies in the order of their names."""
        return [self._proxies[name] for name in sorted(self._proxies)]

    def get(self, name: str) -> Proxy:
        """Return a proxy; raises ``ApiError`` when there is none of that name."""
        if name not in self._proxies:
            raise not_found("proxy")
        return self._proxies[name]

    def create(self, wanted: ProxyInput) -> Proxy:
        """Make a proxy with its toxics; raises ``ApiError`` when the name or the port is taken."""
        if wanted.name in self._proxies:
            raise already_exists("proxy")
        return self._make(wanted)

    def create_or_replace(self, wanted: ProxyInput) -> Proxy:
        """Make a proxy unless one of that name, address and upstream is there, which stays as it is, toxics and all."""
        existing = self._proxies.get(wanted.name)
        if existing is not None:
            if not existing.differs(wanted.listen, wanted.upstream):
                return existing
            existing.retire()
        return self._make(wanted)

    def remove(self, name: str) -> None:
        """Delete a proxy; raises ``ApiError`` when there is none of that name."""
        self.get(name).retire()
        del self._proxies[name]

    def clear(self) -> None:
        """Delete all."""
        for proxy in self.all():
            self.remove(proxy.name)

    def _make(self, wanted: ProxyInput) -> Proxy:
        proxy = Proxy(self._ground, wanted.name, wanted.listen, wanted.upstream)
        proxy.add_toxics(wanted.toxics)
        if wanted.enabled:
            proxy.start()
        self._proxies[wanted.name] = proxy
        return proxy
