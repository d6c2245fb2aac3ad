"""A client's connection and the one made for it to the upstream, tied together."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterable
from typing import Protocol

from harness.core.seeds import Seed
from harness.proxy.addresses import SocketName, show
from harness.proxy.flow import Flow
from harness.proxy.loop import Loop
from harness.proxy.side import Side
from harness.proxy.toxics import ToxicSpec

_ROLL_RANGE = 2.0**64


class Host(Protocol):
    """The proxy that a connection belongs to."""

    name: str
    loop: Loop
    seed: Seed

    def forget(self, connection: Connection, *, cut: bool) -> None:
        """Take note that a connection has ended."""
        ...


class Connection:
    """Two sockets and two directions; it ends when both directions have, or all at once by ``close``.

    ``number`` counts the proxy's connections from 1 and is what chance depends on: the same seed, proxy and number
    give the same decisions whatever the timing.
    """

    __slots__ = (
        "_client_address",
        "_closed",
        "_host",
        "client",
        "down",
        "loop",
        "number",
        "opened_ns",
        "up",
        "upstream",
    )

    def __init__(
        self, host: Host, number: int, client: socket.socket, upstream: socket.socket, address: SocketName
    ) -> None:
        self.loop = host.loop
        self.number = number
        self.opened_ns = time.monotonic_ns()
        self.client = Side(self.loop, client)
        self.upstream = Side(self.loop, upstream)
        self.up = Flow(self, self.client, self.upstream)
        self.down = Flow(self, self.upstream, self.client)
        self.client.join(self.upstream, self.up, self.down)
        self.upstream.join(self.client, self.down, self.up)
        self._host = host
        self._client_address = address
        self._closed = False

    def start(self, toxics: Iterable[ToxicSpec]) -> None:
        """Begin to forward, through the toxics that strike this connection."""
        for toxic in toxics:
            self.flow(toxic).install([toxic])
        if not self._closed:
            self.client.resume()
            self.upstream.resume()

    def flow(self, toxic: ToxicSpec) -> Flow:
        """Return the direction that a toxic works in."""
        return self.up if toxic.stream == "upstream" else self.down

    def direction_done(self) -> None:
        """Close when the other direction has ended too."""
        if self.up.done and self.down.done:
            self.close(reset=self.up.source_reset or self.down.source_reset, cut=False)

    def close(self, *, reset: bool, cut: bool) -> None:
        """End both directions now; ``cut`` says that the proxy wanted it, not one of the two ends."""
        if self._closed:
            return
        self._closed = True
        for flow, side in ((self.up, self.client), (self.down, self.upstream)):
            flow.finish()
            if cut and not reset:
                side.drain()
            side.close(reset=reset)
        self._host.forget(self, cut=cut)

    def struck_by(self, toxic: ToxicSpec) -> bool:
        """Whether a toxic applies to this connection: a roll fixed by seed, proxy, connection number and toxic."""
        if toxic.toxicity >= 1:
            return True
        roll = self._host.seed.number("toxicity", self._host.name, str(self.number), toxic.name) / _ROLL_RANGE
        return roll < toxic.toxicity

    def rng(self, toxic: str) -> random.Random:
        """Return the random stream of a toxic on this connection."""
        return self._host.seed.rng("toxic", self._host.name, str(self.number), toxic)

    def wire(self) -> dict[str, object]:
        """Return the connection as the API shows it."""
        return {
            "id": self.number,
            "client": show(self._client_address),
            "upstream_local": show(self.upstream.sock.getsockname()),
            "opened_mono_ns": self.opened_ns,
            "bytes_up": self.up.sent,
            "bytes_down": self.down.sent,
        }
