"""One proxy: what the API's commands do to it, without the HTTP around it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.core.seeds import Seed
from harness.proxy.addresses import BadAddress, SocketName, parse
from harness.proxy.connection import Connection
from harness.proxy.counters import Totals
from harness.proxy.dial import Dial, Resolver
from harness.proxy.errors import cannot_listen, not_found
from harness.proxy.listener import Listener, bind, reason
from harness.proxy.loop import Loop
from harness.proxy.toxics import ToxicSpec


@dataclass(frozen=True, slots=True)
class Ground:
    """What every proxy of a server stands on; ``reserved`` are the ports that disabled proxies keep."""

    loop: Loop
    resolver: Resolver
    seed: Seed
    reserved: dict[str, Proxy] = field(default_factory=dict)


class Proxy:
    """One listening port and the upstream behind it, with toxics and open connections."""

    def __init__(self, ground: Ground, name: str, listen: str, upstream: str) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.loop = ground.loop
        self.seed = ground.seed
        self.toxics: dict[str, ToxicSpec] = {}
        self.connections: dict[int, Connection] = {}
        self._ground = ground
        self._listener: Listener | None = None
        self._arrivals: dict[Dial, socket.socket] = {}
        self._totals = Totals()
        self._toxics_made = 0

    def start(self) -> None:
        """Listen; raises ``ApiError`` when the address is bad or busy."""
        try:
            if self._listener is None:
                self._listener = Listener(self.loop, self._bind(), self._accepted)
            self._listener.open()
        except BadAddress as problem:
            raise cannot_listen(f"listen tcp: {problem}") from None
        except OSError as problem:
            self.release_port()
            raise cannot_listen(f"listen tcp {self._resolved(self.listen)}: bind: {reason(problem)}") from None
        self.listen = self._listener.name
        self._ground.reserved.pop(self.listen, None)
        self.enabled = True

    def stop(self) -> None:
        """Refuse connects and reset open connections; the port stays reserved."""
        if self.enabled and self._listener is not None:
            self.enabled = False
            self._listener.shut()
            self._ground.reserved[self._listener.name] = self
            self._drop_arrivals()
            self.cut_all()

    def release_port(self) -> None:
        """Give a disabled proxy's port back."""
        if self._listener is not None and not self.enabled:
            self._ground.reserved.pop(self._listener.name, None)
            self._listener.close()
            self._listener = None

    def retire(self) -> None:
        """Stop for good."""
        self.stop()
        self.release_port()

    def differs(self, listen: str, upstream: str) -> bool:
        """Whether these are another address or upstream; raises ``ApiError`` for a bad address."""
        try:
            return self._resolved(listen) != self.listen or upstream != self.upstream
        except BadAddress as problem:
            raise cannot_listen(str(problem)) from None

    def update(self, listen: str, upstream: str, *, enabled: bool) -> None:
        """Take new settings; another address or upstream restarts the proxy, toxics stay. Raises ``ApiError``."""
        if self.differs(listen, upstream):
            self.stop()
            if self._resolved(listen) != self.listen:
                self.release_port()
            self.listen = listen
            self.upstream = upstream
        if enabled and not self.enabled:
            self.start()
        elif not enabled:
            self.stop()

    def toxic(self, name: str) -> ToxicSpec:
        """Return a toxic; raises ``ApiError`` when there is none of that name."""
        if name not in self.toxics:
            raise not_found("toxic")
        return self.toxics[name]

    def add_toxics(self, toxics: Iterable[ToxicSpec]) -> None:
        """Install toxics, in order, on open connections too."""
        for toxic in toxics:
            self._toxics_made += 1
            toxic.order = self._toxics_made
            self.toxics[toxic.name] = toxic
            for connection in list(self.connections.values()):
                connection.flow(toxic).install([toxic])

    def update_toxic(self, name: str, attributes: Mapping[str, int], toxicity: float) -> None:
        """Change a toxic, on open connections too."""
        toxic = self.toxic(name)
        toxic.attributes = attributes
        toxic.toxicity = toxicity
        for connection in list(self.connections.values()):
            connection.flow(toxic).update(toxic)

    def remove_toxic(self, name: str) -> None:
        """Take a toxic out, of open connections too."""
        toxic = self.toxic(name)
        del self.toxics[name]
        for connection in list(self.connections.values()):
            connection.flow(toxic).remove(toxic)

    def reset(self) -> None:
        """Enable and remove all toxics; raises ``ApiError``."""
        if not self.enabled:
            self.start()
        for name in list(self.toxics):
            self.remove_toxic(name)

    def cut_all(self) -> None:
        """Reset every open connection."""
        for connection in list(self.connections.values()):
            connection.close(reset=True, cut=True)

    def cut(self, number: str) -> None:
        """Reset one open connection; raises ``ApiError`` when there is none of that number."""
        connection = self.connections.get(int(number)) if number.isdecimal() else None
        if connection is None:
            raise not_found("connection")
        connection.close(reset=True, cut=True)

    def totals(self) -> Totals:
        """Return the counters, open connections included."""
        return self._totals.including(self.connections.values())

    def wire_toxics(self) -> list[dict[str, object]]:
        """Return the toxics as the API shows them: upstream first, each stream in order of creation."""
        ordered = sorted(self.toxics.values(), key=lambda toxic: (toxic.stream != "upstream", toxic.order))
        return [toxic.wire() for toxic in ordered]

    def wire(self) -> dict[str, object]:
        """Return the proxy as the API shows it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": self.wire_toxics(),
        }

    def forget(self, connection: Connection, *, cut: bool) -> None:
        """Count a connection that has ended."""
        del self.connections[connection.number]
        self._totals.add(connection)
        self._totals.closed += 1
        self._totals.cut += cut

    def _bind(self) -> socket.socket:
        """Bind; a port that a disabled proxy only keeps goes to the one that is to listen now."""
        address = parse(self.listen)
        ips = self._ground.resolver.known(address.host)
        if not ips:
            raise BadAddress(f"lookup {address.host}: no such host")
        holder = self._ground.reserved.get(self._resolved(self.listen))
        if holder is not None:
            holder.release_port()
        return bind(address, ips)

    def _resolved(self, listen: str) -> str:
        address = parse(listen)
        if not address.host:
            return str(address)
        ips = self._ground.resolver.known(address.host)
        if not ips:
            raise BadAddress(f"lookup {address.host}: no such host")
        return str(type(address)(ips[0], address.port))

    def _accepted(self, client: socket.socket, name: SocketName) -> None:
        dial = Dial(self.loop, lambda upstream: self._dialled(dial, name, upstream))
        self._arrivals[dial] = client
        try:
            dial.start(parse(self.upstream), self._ground.resolver, turn=self._totals.opened)
        except BadAddress:
            self._dialled(dial, name, None)

    def _dialled(self, dial: Dial, name: SocketName, upstream: socket.socket | None) -> None:
        client = self._arrivals.pop(dial)
        if upstream is None:
            self._totals.refused += 1
            self.loop.discard(client)
            return
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._totals.opened += 1
        connection = Connection(self, self._totals.opened, client, upstream, name)
        self.connections[connection.number] = connection
        connection.start(self.toxics.values())

    def _drop_arrivals(self) -> None:
        for dial, client in self._arrivals.items():
            dial.cancel()
            self.loop.discard(client)
        self._arrivals.clear()
