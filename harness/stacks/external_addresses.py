"""Which hosts a run against a system that runs already may meet, and where its proxies are reached. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from harness.core.errors import UsageError
from harness.proxy.addresses import Address, BadAddress, parse

ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what a listener is told, not one of ours
LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class AllowList:
    """The hosts that a stack file lets a run meet, as they are written there; this machine's loopback always is one."""

    hosts: Collection[str]

    def check(self, address: Address, what: str) -> Address:
        """Return the address; raises ``UsageError`` when its host is not on the list."""
        if not is_loopback(address.host) and _plain(address.host) not in {_plain(host) for host in self.hosts}:
            raise UsageError(
                f"{what} is at {address}, and host {address.host!r} is not one that this stack may meet",
                hint="if it is a test system: add the host to `external: {allow: [...]}` of the stack file",
            )
        return address


def read(text: str, what: str) -> Address:
    """Read ``HOST:PORT``; raises ``UsageError`` that says what it is the address of."""
    try:
        found = parse(text)
    except BadAddress as problem:
        raise UsageError(f"{what}: {problem}", hint="it looks like chat.test.example:8080") from None
    if not text:
        raise UsageError(f"{what} is missing", hint="it looks like chat.test.example:8080")
    return found


def is_loopback(host: str) -> bool:
    """Whether a host is this machine as it sees itself, whatever a name server says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def default_listen(server: str) -> str:
    """Return where a proxy listens if nobody says: a free port, on loopback if the proxy server's API is there."""
    return str(Address(LOCAL if is_loopback(server) else server, 0))


def reached(listen: str, server: str) -> Address:
    """Return where people reach a proxy: a listener on all interfaces is found at the proxy server's own host."""
    told = parse(listen)
    return Address(server if told.host in ANYWHERE else told.host, told.port)


def _plain(host: str) -> str:
    return host.lower().rstrip(".")
