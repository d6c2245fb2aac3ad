"""Whose connections reach a port."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from harness.stacks.sockets import Tcp, parse, strangers

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1585 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C954 01 00000000:00000000 03:00000000 00000000     0        0 1700 3 0
   2: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C955 01 0:0 0:0 0  0 0 1701 3 0
   3: 0100007F:C954 0100007F:1F90 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
"""


def test_only_established_connections_are_read_and_mapped_addresses_are_unwrapped() -> None:
    """Listeners and lingering ends are no connections; a dual-stack server's peers are IPv4 ends all the same."""
    assert list(parse(TABLE)) == [
        Tcp("0100007F:1F90", "0100007F:C954", 1700),
        Tcp("0100007F:1F90", "0100007F:C955", 1701),
    ]
    assert [tcp.port for tcp in parse(TABLE)] == [8080, 8080]


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_connections_of_unknown_processes_are_counted(
    host: str, stranger: Callable[..., AbstractContextManager[int]]
) -> None:
    """Our own connections do not count, another process's do, until it is gone."""
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    with socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::") as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert strangers(port, [os.getpid()]) == 0
            assert strangers(port, []) == 1
            with stranger(port) as pid:
                assert strangers(port, [os.getpid()]) == 1
                assert strangers(port, [os.getpid(), pid]) == 0
            assert strangers(port, [os.getpid()]) == 0
