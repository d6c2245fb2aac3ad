"""The embedded layer-4 server: a process of its own that speaks Toxiproxy's HTTP API.

Run by ``python -m harness.proxy.server`` or ``chat-chaos proxy serve``. It needs only the standard library, so that it
starts fast, and it serves everything from one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from harness.core.errors import ChatChaosError, EnvironmentFault, UsageError
from harness.core.seeds import Seed, fresh_seed
from harness.proxy.addresses import Address, SocketName, is_literal
from harness.proxy.decode import new_proxies
from harness.proxy.dial import Resolver
from harness.proxy.errors import ApiError
from harness.proxy.http_api import VERSION, Api
from harness.proxy.http_server import HttpConnection
from harness.proxy.listener import Listener, bind, reason
from harness.proxy.loop import Loop
from harness.proxy.proxies import Proxies
from harness.proxy.proxy import Ground

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8474

_CONFIG_SHAPE = 'It must be a JSON array of {"name": ..., "listen": "host:port", "upstream": "host:port"}.'


class Server:
    """A listening control port with no proxies yet; ``run`` serves until ``stop``."""

    def __init__(self, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, seed: Seed) -> None:
        """Listen at once; raises ``EnvironmentFault`` when the port cannot be had."""
        self._loop = Loop()
        self._resolver = Resolver(self._loop)
        self._proxies = Proxies(Ground(self._loop, self._resolver, seed))
        self._api = Api(self._proxies)
        self._listener = Listener(self._loop, _control_socket(host, port), self._accepted)
        self._listener.open()

    @property
    def address(self) -> str:
        """Where the API listens, as ``host:port``."""
        return self._listener.name

    def configure(self, config: Path) -> None:
        """Create the proxies of a JSON file, as /populate would.

        Raises ``UsageError`` for a file that is wrong and ``EnvironmentFault`` for a port that cannot be had.
        """
        try:
            for wanted in new_proxies(config.read_bytes()):
                self._proxies.create_or_replace(wanted)
        except OSError as problem:
            raise UsageError(f"{config}: {reason(problem)}", hint="Give --config a readable JSON file.") from None
        except ApiError as problem:
            if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise EnvironmentFault(f"{config}: {problem}", hint="Give the proxy another listen address.") from None
            raise UsageError(f"{config}: {problem}", hint=_CONFIG_SHAPE) from None

    def run(self) -> None:
        """Serve until ``stop``, then close everything."""
        self._loop.run()
        self._proxies.clear()
        self._listener.close()
        self._loop.close()

    def stop(self) -> None:
        """End ``run``; may be called from a signal handler or another thread."""
        self._loop.stop()

    def _accepted(self, sock: socket.socket, _name: SocketName) -> None:
        HttpConnection(self._loop, sock, self._api, self._resolver)


def serve(
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    seed: int | None = None,
    ready_fd: int | None = None,
    config: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; port 0 is a random one, told on stderr and on ``ready_fd``.

    Raises ``EnvironmentFault`` when the port cannot be had and ``UsageError`` for a bad ``config``. Must be called in
    the main thread, because it sets signal handlers.
    """
    chosen = fresh_seed() if seed is None else Seed(seed)
    _allow_many_sockets()
    server = Server(host=host, port=port, seed=chosen)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    if config is not None:
        server.configure(config)
    sys.stderr.write(f"proxy server {VERSION} listens on http://{server.address} (seed {chosen.value})\n")
    sys.stderr.flush()
    if ready_fd is not None:
        _tell(ready_fd, server.address)
    server.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server as a program and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        serve(**vars(options))
    except ChatChaosError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chat-chaos proxy serve", description="A Toxiproxy-compatible proxy server.")
    parser.add_argument("--host", default=DEFAULT_HOST, help="IP address of the HTTP API")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the HTTP API; 0 takes a free one")
    parser.add_argument("--seed", type=int, help="where all chance comes from; random when not given")
    parser.add_argument("--ready-fd", type=int, help="write host:port here once listening, then close it")
    parser.add_argument("--config", type=Path, help="JSON file with proxies to create first")
    return parser


def _control_socket(host: str, port: int) -> socket.socket:
    ip = "127.0.0.1" if host == "localhost" else host
    if not 0 <= port <= 65535:  # noqa: PLR2004 - the range of ports
        raise UsageError(f"port {port} does not exist", hint="Give --port a number from 0 (any free one) to 65535.")
    if not is_literal(ip):
        raise UsageError(f"{host} is no IP address", hint="Give --host an address of this machine, such as 127.0.0.1.")
    try:
        return bind(Address(ip, port), [ip])
    except OSError as problem:
        raise EnvironmentFault(
            f"the proxy server cannot listen on {Address(ip, port)}: {reason(problem)}",
            hint="End the program that holds the port, or choose another with --port (0 takes a free one).",
        ) from None


def _allow_many_sockets() -> None:
    """Raise the limit of open files to what the system allows: each connection takes two."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tell(fd: int, address: str) -> None:
    with os.fdopen(fd, "w", encoding="ascii") as ready:
        ready.write(f"{address}\n")


if __name__ == "__main__":
    sys.exit(main())
