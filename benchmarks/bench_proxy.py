"""The embedded proxy server beside the real Toxiproxy, haproxy where it is installed, and no proxy, in one run.

Ours and the real one carry a pass-through toxic that chance puts on half of the connections. Every round plays every
load against every variant, so that a busy machine is busy for all of them; the table shows medians of the rounds. CPU
is what the proxy's process used per operation: on a shared machine that figure can be trusted sooner than wall time. In
the row ``direct`` it is what the load side itself, both ends, used: the floor under every other row.

The last line has the ratios to the real Toxiproxy and says which of the bars of ``proxy_bars`` are missed. Exit code 0
when all hold, 1 when not; 3 when the real Toxiproxy is missing, so that there is nothing to compare with, when there is
no C compiler for the load side, or when a server failed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from haproxy import find_haproxy, running_haproxy
from proxy_bars import measured, verdict

from harness.core.errors import EnvironmentFault
from harness.proxy import adapter_wire as wire
from harness.proxy.http_client import HttpApi
from harness.stacks.proxy_choice import HOW_TO_GET_TOXIPROXY, find_toxiproxy
from harness.testing.proxy_servers import ServerKind, running_server

SOURCE = Path(__file__).with_name("proxy_load.c")
EXIT_MISSED = 1
EXIT_NOTHING_TO_COMPARE = 3
PASS_THROUGH = {"type": "noop", "toxicity": 0.5}
CLIENT_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """One load: what the clients do, on how many connections."""

    kind: str
    connections: int

    def __str__(self) -> str:
        return f"{self.kind} {self.connections}"


LOADS = (Load("ping", 1), Load("ping", 50), Load("ping", 500), Load("bulk", 4), Load("conn", 8))


@dataclass(frozen=True, slots=True)
class Variant:
    """A way from the clients to the echo server; ``pid`` is the process whose CPU time is counted."""

    name: str
    port: int
    pid: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement, or the median of several."""

    per_s: float
    p50_us: float
    p99_us: float
    cpu_us: float
    own_cpu_us: float
    rss_mb: float
    errors: float


Results = dict[tuple[str, Load], Figures]


@contextmanager
def load_side() -> Iterator[Path]:
    """Compile the load side for the length of the block."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise EnvironmentFault("The load side is in C and there is no cc.", hint="Debian has it in gcc and libc6-dev.")
    with TemporaryDirectory(prefix="chat-chaos-bench-") as folder:
        program = Path(folder, "proxy_load")
        subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True)
        yield program


@contextmanager
def echo_server(program: Path) -> Iterator[Variant]:
    """Run the echo server; it is the variant ``direct``."""
    process = subprocess.Popen([str(program), "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        yield Variant("direct", int(process.stdout.readline()), process.pid)
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def proxied(kind: ServerKind, upstream: int) -> Iterator[Variant]:
    """Run a server with one proxy to the echo server and the pass-through toxic on it."""
    with running_server(kind) as server:
        api = HttpApi(server.url, timeout_s=5)
        body = wire.ProxySpec("bench", f"127.0.0.1:{upstream}").body()
        listen = wire.proxy(api.call("POST", "proxies", body=body)).listen
        api.call("POST", "proxies", "bench", "toxics", body=PASS_THROUGH)
        version = wire.version(api.call("GET", "version"))
        api.close()
        yield Variant(kind, int(listen.rpartition(":")[2]), server.pid, version)


@contextmanager
def through_haproxy(upstream: int) -> Iterator[Variant]:
    """Run haproxy, with one thread as ours has, in front of the echo server."""
    with running_haproxy(upstream) as (pid, port):
        yield Variant("haproxy", port, pid)


def measure(program: Path, variant: Variant, load: Load, seconds: float) -> Figures:
    """Play a load in a process of its own."""
    argv = [str(program), load.kind, str(variant.port), str(variant.pid)]
    done = subprocess.run(
        [*argv, str(load.connections), str(seconds)],
        capture_output=True,
        text=True,
        timeout=CLIENT_WITHIN_S + seconds,
        check=False,
    )
    if done.returncode:
        raise EnvironmentFault(f"{variant.name}, {load.kind} on {load.connections}: {done.stderr.strip()}")
    return Figures(**json.loads(done.stdout))


def play(program: Path, variants: Sequence[Variant], rounds: int, seconds: float) -> Results:
    """Measure every load on every variant in every round, the variants in another order each round."""
    seen: dict[tuple[str, Load], list[Figures]] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        turn = number % len(variants)
        for load in LOADS:
            for variant in (*variants[turn:], *variants[:turn]):
                seen.setdefault((variant.name, load), []).append(measure(program, variant, load, seconds))
    return {key: median(figures) for key, figures in seen.items()}


def median(figures: Sequence[Figures]) -> Figures:
    """Take the median of each figure by itself."""
    names = Figures.__slots__
    return Figures(*(statistics.median(getattr(one, name) for one in figures) for name in names))


def cells(name: str, results: Results) -> list[str]:
    """One row of the table."""
    one, fifty, many, bulk, conn = (results[name, load] for load in LOADS)
    direct = name == "direct"
    return [
        name,
        f"{one.p50_us:.0f} / {one.p99_us:.0f} ({cpu(one, direct):.0f})",
        *(
            f"{ping.per_s / 1e3:.1f}k ({cpu(ping, direct):.1f}) {ping.p50_us:.0f} / {ping.p99_us:.0f}"
            for ping in (fifty, many)
        ),
        f"{bulk.per_s:.0f} ({cpu(bulk, direct) / 1e3:.2f})",
        f"{conn.per_s / 1e3:.1f}k ({cpu(conn, direct):.0f})",
        "-" if direct else f"{many.rss_mb:.0f}",
    ]


def cpu(figures: Figures, direct: bool) -> float:
    """CPU per operation: of the proxy, or where there is none, of both ends of the load."""
    return figures.cpu_us + figures.own_cpu_us if direct else figures.cpu_us


HEADER = [
    "variant",
    "1 conn p50 / p99 us (cpu us)",
    "50 conns rt/s (cpu us) p50 / p99 us",
    "500 conns rt/s (cpu us) p50 / p99 us",
    "bulk MB/s (cpu ms/MB)",
    "conn/s (cpu us)",
    "RSS MB",
]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align the columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(lines)


def by_load(name: str, results: Results) -> dict[str, Figures]:
    """The medians of one variant by the names of the loads."""
    return {str(load): results[name, load] for load in LOADS}


def allow_many_files() -> None:
    """A proxy of 500 connections holds 1000 sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(rounds: int, seconds: float) -> int:
    """Measure and print; the exit code."""
    allow_many_files()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, load average {load:.1f} at the start: where others work too, compare CPU, not rates")
    with ExitStack() as running:
        program = running.enter_context(load_side())
        direct = running.enter_context(echo_server(program))
        kinds: list[ServerKind] = ["embedded", "toxiproxy"] if find_toxiproxy() else ["embedded"]
        servers = [running.enter_context(proxied(kind, direct.port)) for kind in kinds]
        others = [running.enter_context(through_haproxy(direct.port))] if find_haproxy() else []
        variants = [direct, *servers, *others]
        results = play(program, variants, rounds, seconds)
    names = [variant.name for variant in variants]
    print(table([HEADER, *(cells(name, results) for name in names)]))
    failed = sum(figures.errors for figures in results.values())
    if failed:
        print(f"{failed:.0f} connections failed: the connection figures are too low")
    if len(servers) == 1:
        print(f"Nothing to compare with: the real Toxiproxy was not found. {HOW_TO_GET_TOXIPROXY}", file=sys.stderr)
        return EXIT_NOTHING_TO_COMPARE
    found = measured(by_load("embedded", results), by_load("toxiproxy", results))
    print(f"embedded / Toxiproxy {servers[1].version}: {verdict(found)}")
    return 0 if all(one.holds for one in found) else EXIT_MISSED


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=0.7, help="length of each measurement (default 0.7)")
    given = parser.parse_args()
    try:
        return run(given.rounds, given.seconds)
    except EnvironmentFault as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code


if __name__ == "__main__":
    sys.exit(main())
