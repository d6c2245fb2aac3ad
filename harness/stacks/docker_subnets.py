"""Small subnets for the networks of a run: the engine's own choice runs out after some thirty networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

Draw = Callable[[int], int]
"""``draw(n)`` is a number below n."""
POOL = ipaddress.IPv4Network("10.0.0.0/8")
PREFIX = 27
"""29 addresses for containers: the proxy and up to 16 replicas fit."""
_COUNT = 2 ** (PREFIX - POOL.prefixlen)
_ROUTES = Path("/proc/net/route")


def draw_subnet(draw: Draw, routed: Collection[ipaddress.IPv4Network] = ()) -> ipaddress.IPv4Network:
    """Return a subnet of the pool that this host has no other route to.

    When a hundred in a row are routed elsewhere, the last one is returned for the engine to judge.
    """
    for _ in range(100):
        start = int(POOL.network_address) + draw(_COUNT) * 2 ** (32 - PREFIX)
        subnet = ipaddress.IPv4Network((start, PREFIX))
        if not any(subnet.overlaps(other) for other in routed):
            break
    return subnet


def routed_here(table: Path = _ROUTES) -> list[ipaddress.IPv4Network]:
    """Return the networks that this host knows a way to, apart from the default route (proc(5), /proc/net/route)."""
    with suppress(OSError):
        return list(_routes(table.read_text()))
    return []


def _routes(table: str) -> Iterator[ipaddress.IPv4Network]:
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[at]), "little") for at in (1, 7))
        if mask:
            yield ipaddress.IPv4Network((address & mask, mask.bit_count()))
