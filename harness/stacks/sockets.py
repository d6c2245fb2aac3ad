"""Who is connected to a port of this host, by the kernel's own books (proc(5), /proc/net/tcp)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_ESTABLISHED = " 01 "
_V4_IN_V6 = "0000000000000000FFFF0000"


@dataclass(frozen=True, slots=True)
class Tcp:
    """One end of an established connection; addresses as the kernel writes them, ``HEXADDRESS:HEXPORT``."""

    local: str
    remote: str
    inode: int

    @property
    def port(self) -> int:
        """Local port."""
        return int(self.local.rpartition(":")[2], 16)


def strangers(port: int, known: Iterable[int]) -> int | None:
    """Count the established connections to a local port whose other end belongs to none of the ``known`` pids.

    None where the kernel keeps no such books. A connection counts when two readings in a row show it, since the
    books are not read in one instant and a connection may end in between.
    """
    pids = list(known)
    with suppress(FileNotFoundError, PermissionError):
        first = _strange(port, pids)
        return len(first & _strange(port, pids)) if first else 0
    return None


def parse(table: str) -> Iterator[Tcp]:
    """Read the established connections out of a table; addresses that IPv6 wraps are the IPv4 ones."""
    for line in table.splitlines()[1:]:
        # Nearly all of a busy host's lines are connections that have ended and wait; most are told apart cheaply.
        if _ESTABLISHED not in line:
            continue
        fields = line.split()
        if fields[3] == _ESTABLISHED.strip():
            local, remote = (address.removeprefix(_V4_IN_V6) for address in fields[1:3])
            yield Tcp(local, remote, int(fields[9]))


def _strange(port: int, pids: Iterable[int]) -> set[tuple[str, str]]:
    table = list(_established())
    others = {(tcp.local, tcp.remote): tcp.inode for tcp in table}
    # Read after the table: a connection that was made since cannot be in it.
    ours = {inode for pid in pids for inode in _inodes(pid)}
    served = ((tcp.remote, tcp.local) for tcp in table if tcp.port == port)
    return {end for end in served if others.get(end) not in ours}


def _established() -> Iterator[Tcp]:
    yield from parse(Path("/proc/net/tcp").read_text())
    with suppress(FileNotFoundError):  # a host without IPv6
        yield from parse(Path("/proc/net/tcp6").read_text())


def _inodes(pid: int) -> Iterator[int]:
    """Inodes of the sockets that a process has open; none when it is gone."""
    folder = f"/proc/{pid}/fd"
    with suppress(FileNotFoundError, ProcessLookupError):
        for fd in os.listdir(folder):  # noqa: PTH208 - a thousand names, several times a second
            with suppress(FileNotFoundError):
                kind, _, inode = os.readlink(f"{folder}/{fd}").partition(":")  # noqa: PTH115 - same
                if kind == "socket":
                    yield int(inode.strip("[]"))
