"""Starting the proxy server of a run as a process of this host, and making a proxy for every edge of the stack."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import EnvironmentFault
from harness.core.stack import LinkSpec, StackSpec
from harness.proxy.adapter import LinkProxyHandle, ProxySpec, ToxiproxyServer, connect
from harness.proxy.api import ProxyUnavailable
from harness.stacks.api import Processes
from harness.stacks.logs import last_lines
from harness.stacks.ports import LOOPBACK, Ports
from harness.stacks.proxy_choice import EMBEDDED, HOW_TO_GET_TOXIPROXY, TOXIPROXY, find_toxiproxy

READY_WITHIN_S = 15.0
ASK_EVERY_S = 0.02
SERVER = (sys.executable, "-P", "-m", "harness.proxy.server")


@dataclass(frozen=True, slots=True)
class _Launch:
    processes: Processes
    env: Mapping[str, str]
    log: Path
    seed: int


@asynccontextmanager
async def running_proxy_server(
    processes: Processes, *, env: Mapping[str, str], log: Path, seed: int, proxy: str = EMBEDDED
) -> AsyncIterator[tuple[ToxiproxyServer, int]]:
    """Start the embedded server, or a real Toxiproxy, and yield it with its pid; the watcher ends it with the run.

    Raises ``EnvironmentFault`` with its last log lines when it does not come up.
    """
    launch = _Launch(processes, env, log, seed)
    with Ports() as ports:
        started = _start_toxiproxy(launch, ports.reserve()) if proxy == TOXIPROXY else _start_embedded(launch)
        try:
            server, pid = await started
        except ProxyUnavailable as problem:
            raise EnvironmentFault(f"the proxy server did not start: {problem}", hint=last_lines(log)) from None
        async with server:
            yield server, pid


async def _start_embedded(launch: _Launch) -> tuple[ToxiproxyServer, int]:
    reading, writing = os.pipe()
    argv = [*SERVER, "--port", "0", "--ready-fd", "{fd0}", "--seed", str(launch.seed)]
    try:
        pid = await _spawn(launch, argv, [writing])
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return await connect(f"http://{await _announced_address(reading)}"), pid


async def _start_toxiproxy(launch: _Launch, port: int) -> tuple[ToxiproxyServer, int]:
    binary = find_toxiproxy()
    if binary is None:
        raise EnvironmentFault("the real Toxiproxy was not found", hint=HOW_TO_GET_TOXIPROXY)
    pid = await _spawn(launch, [binary, "-host", LOOPBACK, "-port", str(port)])
    return await answering(f"http://{LOOPBACK}:{port}", lambda: launch.processes.exit_status(pid) is None), pid


async def answering(url: str, alive: Callable[[], bool]) -> ToxiproxyServer:
    """Ask a server that tells nobody when it listens until it answers.

    Raises ``ProxyUnavailable`` when it ends first or takes too long.
    """
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while True:
        try:
            return await connect(url)
        except ProxyUnavailable:
            if not alive():
                raise ProxyUnavailable("it ended before it listened") from None
            if asyncio.get_running_loop().time() > deadline:
                raise ProxyUnavailable(f"it was not ready within {READY_WITHIN_S:g} s") from None
        await asyncio.sleep(ASK_EVERY_S)


async def _spawn(launch: _Launch, argv: Sequence[str], pass_fds: Sequence[int] = ()) -> int:
    return await launch.processes.spawn("the proxy server", argv, env=launch.env, log=launch.log, pass_fds=pass_fds)


def edges(spec: StackSpec, launcher: str, people: frozenset[str]) -> dict[str, LinkSpec]:
    """Return every edge that needs a proxy, by name: the links, and the own edge of each person a fault names."""
    found: dict[str, LinkSpec] = {}
    for link in spec.links.values():
        if link.launchers is not None and launcher not in link.launchers:
            continue
        found[link.name] = link
        if link.per_person:
            _, arrow, target = link.name.partition("->")
            found |= {f"{link.source}:{person}{arrow}{target}": link for person in sorted(people)}
    return found


async def make_proxies(
    server: ToxiproxyServer, links: Mapping[str, LinkSpec], ports: Mapping[str, int], *, run: str, reserved: Ports
) -> dict[str, LinkProxyHandle]:
    """Make a proxy for each edge, named after run and edge on the server; ``ports`` are all by ``port_name``.

    The real Toxiproxy gives a disabled proxy's port back, so that somebody else might get it: its ports are reserved.
    """
    fixed = server.info.kind != EMBEDDED
    specs = {
        proxy_name(run, name): ProxySpec(
            proxy_name(run, name),
            f"{LOOPBACK}:{ports[link.end]}",
            f"{LOOPBACK}:{reserved.reserve() if fixed else 0}",
        )
        for name, link in links.items()
    }
    try:
        made = {handle.name: handle for handle in await server.populate(list(specs.values()))}
    except ProxyUnavailable as problem:
        raise EnvironmentFault(
            f"the proxies of run {run} could not be made: {problem}", hint="see proxy.log in the run's logs"
        ) from None
    return {name: made[proxy_name(run, name)] for name in links}


def proxy_name(run: str, edge: str) -> str:
    """Name the proxy of an edge, fit for a URL path: that of ``client:alice->chat`` is ``RUN.client~alice.chat``."""
    slug = re.sub(r"[^\w.~-]", "_", edge.replace("->", ".").replace(":", "~").replace("/", "~"), flags=re.ASCII)
    return f"{run}.{slug}"


async def _announced_address(fd: int) -> str:
    """Read the ``host:port`` that the server writes once it listens.

    Raises ``ProxyUnavailable`` when it ends first or takes too long.
    """
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb"))
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            line = await reader.readline()
    except TimeoutError:
        raise ProxyUnavailable(f"it was not ready within {READY_WITHIN_S:g} s") from None
    finally:
        transport.close()
    if not line.endswith(b"\n"):
        raise ProxyUnavailable("it ended before it listened")
    return line.decode().strip()
