"""What the harness needs of a proxy, whichever Toxiproxy-compatible server stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Stream = Literal["upstream", "downstream"]


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """Which server is in use, for the report.

    ``kind`` is ``embedded``, ``toxiproxy`` or ``image`` (the real one in a container).
    """

    kind: str
    version: str
    url: str


@dataclass(frozen=True, slots=True)
class ToxicState:
    """A toxic as read back from the server."""

    name: str
    type: str
    stream: Stream
    toxicity: float
    attributes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ProxyState:
    """A proxy as read back from the server."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[ToxicState, ...]


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals of one proxy since it was made; a server that cannot count live connections gives None instead.

    ``cut`` counts connections that the proxy itself closed or reset (disabled, timeout, reset_peer, limit_data);
    ``held_bytes`` are bytes that a toxic swallowed and ``delayed_bytes`` those it kept back before forwarding.
    ``refused`` are connections that were accepted and ended at once because the upstream could not be dialled.
    """

    opened: int
    closed: int
    cut: int
    refused: int
    bytes_up: int
    bytes_down: int
    held_bytes: int
    delayed_bytes: int


class ProxyUnavailable(Exception):
    """The proxy server did not answer, or not as its API says: a command's effect is unknown."""


class LinkProxy(Protocol):
    """One proxy of the server: the handle by which faults act on a link. Every call raises ``ProxyUnavailable``."""

    name: str

    async def state(self) -> ProxyState:
        """Read the proxy back."""
        ...

    async def enable(self, enabled: bool) -> None:
        """Open or close the listener; closing also ends open connections."""
        ...

    async def add_toxic(
        self, type: str, *, stream: Stream, attributes: Mapping[str, int], name: str, toxicity: float = 1.0
    ) -> None:
        """Install a toxic."""
        ...

    async def remove_toxic(self, name: str) -> None:
        """Remove a toxic; one that is not there is no error."""
        ...

    async def counters(self) -> Counters | None:
        """Live totals, or None from a server that has none."""
        ...
