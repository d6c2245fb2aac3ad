"""Toxiproxy's JSON bodies to facts and back; pure, so that a strange server is told apart from a dead one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from harness.proxy.api import Counters, ProxyState, ProxyUnavailable, Stream, ToxicState

EXTENSION_MARK = "+chat-chaos"
BARE_VERSION = re.compile(rb"[\w.+-]{1,40}")

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """A proxy to be made: ``listen`` with port 0 takes a free port."""

    name: str
    upstream: str
    listen: str = "127.0.0.1:0"
    enabled: bool = True

    def body(self) -> dict[str, object]:
        """The JSON object that makes it."""
        return {"name": self.name, "upstream": self.upstream, "listen": self.listen, "enabled": self.enabled}


@dataclass(frozen=True, slots=True)
class Connection:
    """One open connection through a proxy of the embedded server; times on the host's monotonic clock."""

    id: str
    client: str
    upstream_local: str
    opened_mono_ns: int
    bytes_up: int
    bytes_down: int


class _Toxic(msgspec.Struct):
    name: str
    type: str
    stream: str
    toxicity: float
    attributes: dict[str, int]

    def state(self) -> ToxicState:
        # Toxiproxy takes "Upstream" as well and echoes what was typed.
        stream: Stream = "upstream" if self.stream.lower() == "upstream" else "downstream"
        return ToxicState(self.name, self.type, stream, self.toxicity, self.attributes)


class _Proxy(msgspec.Struct):
    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: list[_Toxic]

    def state(self) -> ProxyState:
        toxics = tuple(toxic.state() for toxic in self.toxics)
        return ProxyState(self.name, self.listen, self.upstream, self.enabled, toxics)


class _Populated(msgspec.Struct):
    proxies: list[_Proxy]


class _Version(msgspec.Struct):
    version: str


class _Connection(msgspec.Struct):
    id: str | int
    client: str
    upstream_local: str
    opened_mono_ns: int
    bytes_up: int
    bytes_down: int


def version(content: bytes) -> str:
    """Read the version; before 2.7.0 it was bare text."""
    if BARE_VERSION.fullmatch(content.strip()):
        return content.decode(errors="replace").strip()
    return _decode(content, _Version).version


def proxy(content: bytes) -> ProxyState:
    """Read one proxy."""
    return _decode(content, _Proxy).state()


def proxies(content: bytes) -> dict[str, ProxyState]:
    """Read all proxies by name."""
    return {name: found.state() for name, found in _decode(content, dict[str, _Proxy]).items()}


def populated(content: bytes) -> list[ProxyState]:
    """Read the answer to a populate request, in its order."""
    return [found.state() for found in _decode(content, _Populated).proxies]


def toxic(content: bytes) -> ToxicState:
    """Read one toxic."""
    return _decode(content, _Toxic).state()


def toxics(content: bytes) -> list[ToxicState]:
    """Read the toxics of a proxy: the upstream chain first, each in order of creation."""
    return [found.state() for found in _decode(content, list[_Toxic])]


def counters(content: bytes) -> Counters:
    """Read the embedded server's live totals."""
    return _decode(content, Counters)


def connections(content: bytes) -> tuple[Connection, ...]:
    """Read the embedded server's open connections."""
    found = _decode(content, list[_Connection])
    return tuple(
        Connection(str(one.id), one.client, one.upstream_local, one.opened_mono_ns, one.bytes_up, one.bytes_down)
        for one in found
    )


def refuse_deadly(type: str, attributes: Mapping[str, int]) -> None:
    """Raise ValueError for a slicer that kills Toxiproxy 2.12.0: it halves chunks until the stack overflows.

    Deadly are ``average_size`` 0, which is its default, and a ``size_variation`` of ``average_size`` or more. They
    are refused for every server, so that a scenario means the same on each.
    """
    if type != "slicer":
        return
    size, variation = attributes.get("average_size", 0), attributes.get("size_variation", 0)
    if size <= 0:
        raise ValueError(f"slicer: average_size is {size} bytes, it has to be at least 1")
    if not 0 <= variation < size:
        raise ValueError(
            f"slicer: size_variation is {variation} bytes, it has to be from 0 to below average_size {size}"
        )


def _decode(content: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ProxyUnavailable(f"The proxy server's answer is not Toxiproxy's: {exc}.") from exc
