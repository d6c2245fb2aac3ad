"""Addresses as Go's net package reads, resolves and shows them, because Toxiproxy's API repeats its words."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import lru_cache

_HIGHEST_PORT = 65535
_LITERAL_V4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


SocketName = tuple[str, int] | tuple[str, int, int, int]
"""What the system calls an end of a socket, in version 4 and 6 of IP."""


class BadAddress(Exception):
    """The text is no address; the message is Go's."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IP address or empty for all interfaces) and a port; 0 means any."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def needs_lookup(self) -> bool:
        """Whether the host is a name that only a name server can tell."""
        return self.host not in {"", "localhost"} and not is_literal(self.host)


@lru_cache(maxsize=256)  # asked for each connection
def parse(text: str) -> Address:
    """Split ``host:port``; raises ``BadAddress``. The empty text is all interfaces and any port."""
    if not text:
        return Address("", 0)
    host, port = _split(text)
    return Address(host, _port(port))


def show(name: SocketName) -> str:
    """Return a socket's name as text."""
    return str(Address(name[0], name[1]))


def is_literal(host: str) -> bool:
    """Whether the host is an IP address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET and not _LITERAL_V4.fullmatch(host):
        return False
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except OSError:
        return False
    return True


@lru_cache(maxsize=256)
def candidates(host: str) -> tuple[str, ...] | None:
    """Return the IP addresses to try for a host, or None when a name server must be asked."""
    if host in {"", "localhost"}:
        return ("127.0.0.1", "::1")
    return (host,) if is_literal(host) else None


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise BadAddress(f"address {text}: missing ']' in address")
        if not rest.startswith(":"):
            raise BadAddress(f"address {text}: missing port in address")
        return host, rest[1:]
    host, colon, port = text.rpartition(":")
    if not colon:
        raise BadAddress(f"address {text}: missing port in address")
    if ":" in host:
        raise BadAddress(f"address {text}: too many colons in address")
    return host, port


def _port(text: str) -> int:
    if not text:
        return 0
    if re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        port = int(text)
        if 0 <= port <= _HIGHEST_PORT:
            return port
        raise BadAddress(f"address {text}: invalid port")
    try:
        return socket.getservbyname(text, "tcp")
    except (OSError, UnicodeError, ValueError):
        raise BadAddress(f"lookup tcp/{text}: unknown port") from None
