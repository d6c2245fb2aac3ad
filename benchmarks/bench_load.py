"""Our load side beside Locust, k6 and artillery, all against the same server, in one run.

Every load side has the same people, who each send the next message when the last one is acknowledged. Every round
plays each of them for a while, so that a busy machine is busy for all; the table shows medians. Figures are taken
between two moments in the middle of a play, start-up left out: messages by the server's count, CPU by the system's.
Where others work on the same machine, messages per core (a second of CPU time) is the figure to trust; the rate is not.

The last line says which of the bars are missed. Exit code 0 when all hold, 1 when not, 3 when Locust's client is
missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import load_tools
import psutil

HERE = Path(__file__).parent
EXIT_MISSED = 1
EXIT_NOTHING_TO_COMPARE = 3
CONNECTS_WITHIN_S = 180.0
SETTLE_S = 1.0
IDLE_PEOPLE = 2000
IDLE_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Side:
    """A load side: its command, and what it needs in its environment."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement, or the median of several: CPU of the load side and of the server for each message."""

    per_s: float
    cpu_us: float
    server_us: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One demand: at least so many times the messages per core of another load side."""

    ours: str
    theirs: str
    at_least: float


DRIVER, FULL, LOCUST, K6, ARTILLERY = "driver only", "with everything", "Locust", "k6", "artillery"
BARS = (Bar(DRIVER, LOCUST, 2.0), Bar(DRIVER, K6, 1.0), Bar(FULL, LOCUST, 1.0))
MOST_KB = 64.0


class Server:
    """The server of all load sides."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def counts(self) -> tuple[int, int]:
        """Return the open connections and the sends acknowledged so far."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        connections, sends = map(int, self._line().split())
        return connections, sends


@contextmanager
def serving() -> Iterator[Server]:
    """Run the server."""
    command = [sys.executable, str(HERE / "load_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


def sides(people: int) -> list[Side]:
    """All load sides that are there."""
    ours, locust = str(HERE / "load_ours.py"), str(HERE / "load_locust.py")
    python = sys.executable
    found = [
        Side(DRIVER, [python, ours, "driver", "{port}", str(people)], {}),
        Side(FULL, [python, ours, "full", "{port}", str(people)], {}),
        Side(LOCUST, [python, locust, "{port}", str(people)], {}),
    ]
    if k6 := load_tools.k6():
        told = {"K6_NO_USAGE_REPORT": "true"}
        flags = ["-q", "-e", "PORT={port}", "-e", f"USERS={people}", str(HERE / "load_k6.js")]
        found.append(Side(K6, [k6, "run", *flags], told))
    if artillery := load_tools.artillery():
        found.append(
            Side(
                ARTILLERY, [artillery, "run", str(HERE / "load_artillery.yml")], {"ARTILLERY_DISABLE_TELEMETRY": "true"}
            )
        )
    return found


def measure(side: Side, server: Server, people: int, seconds: float) -> Figures:
    """Play one side, and take the figures of some seconds in the middle."""
    command = [part.replace("{port}", str(server.port)) for part in side.command]
    environment = {**os.environ, **side.environment, "PORT": str(server.port), "USERS": str(people)}
    with tempfile.TemporaryFile("w+") as output:
        playing = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            await_everybody(playing, server, people)
            time.sleep(SETTLE_S)
            figures = between(playing, server, seconds)
        except (psutil.NoSuchProcess, TimeoutError):
            output.seek(0)
            raise SystemExit(f"{side.name} did not play: {output.read()[-2000:]}") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(playing.pid, signal.SIGKILL)
            playing.wait()
    while server.counts()[0]:
        time.sleep(0.05)
    return figures


def await_everybody(playing: subprocess.Popen[bytes], server: Server, people: int) -> None:
    """Wait until everybody is connected; raises ``TimeoutError``."""
    until_s = time.monotonic() + CONNECTS_WITHIN_S
    while server.counts()[0] < people and playing.poll() is None:
        if time.monotonic() > until_s:
            raise TimeoutError
        time.sleep(0.1)


def between(playing: subprocess.Popen[bytes], server: Server, seconds: float) -> Figures:
    """Take the figures of the next ``seconds``."""
    before, began_s = (used_s(playing.pid), used_s(server.process.pid), server.counts()[1]), time.monotonic()
    time.sleep(seconds)
    after, took_s = (used_s(playing.pid), used_s(server.process.pid), server.counts()[1]), time.monotonic() - began_s
    cpu_s, server_s, sends = (later - earlier for earlier, later in zip(before, after, strict=True))
    if not sends:
        raise TimeoutError
    rss_mb = sum(each.memory_info().rss for each in family(playing.pid)) / 2**20
    return Figures(sends / took_s, cpu_s / sends * 1e6, server_s / sends * 1e6, rss_mb)


def family(pid: int) -> list[psutil.Process]:
    """A process and what it has started."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def used_s(pid: int) -> float:
    """CPU time of a process and of what it has started."""
    return sum(times.user + times.system for times in (each.cpu_times() for each in family(pid)))


def play(found: Sequence[Side], rounds: int, people: int, seconds: float) -> dict[str, Figures]:
    """Measure every side in every round, in another order each round."""
    seen: dict[str, list[Figures]] = {}
    with serving() as server:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            turn = number % len(found)
            for side in (*found[turn:], *found[:turn]):
                seen.setdefault(side.name, []).append(measure(side, server, people, seconds))
    return {name: median(figures) for name, figures in seen.items()}


def median(figures: Sequence[Figures]) -> Figures:
    """Take the median of each figure by itself."""
    return Figures(*(statistics.median(getattr(one, name) for one in figures) for name in Figures.__slots__))


def idle_kb() -> float:
    """Memory that a connected person who says nothing takes of the process that plays them."""
    with serving() as server:
        command = [sys.executable, str(HERE / "load_ours.py"), "idle", str(server.port), str(IDLE_PEOPLE)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=IDLE_WITHIN_S, check=False)
    if done.returncode:
        raise SystemExit(f"idle people: {done.stderr[-2000:]}")
    return float(json.loads(done.stdout)["kb"])


def row(name: str, figures: Figures, base: Figures) -> str:
    """One line of the table; the ratio is that of messages per core."""
    per_core, ratio = 1e6 / figures.cpu_us, base.cpu_us / figures.cpu_us
    return (
        f"{name:16} {figures.cpu_us:9.1f} {per_core:13,.0f} {ratio:9.2f}x {figures.per_s:9,.0f}"
        f" {figures.server_us:10.1f} {figures.rss_mb:7.0f}"
    )


HEADER = "load side           cpu us msgs per core  to Locust    msgs/s  server us  RSS MB"


def verdict(results: dict[str, Figures], kb: float) -> tuple[bool, str]:
    """Say of each bar what was reached, and whether all hold; a side that is absent is said to be."""
    said, missed = [], 0
    for bar in BARS:
        if bar.theirs not in results:
            said.append(f"{bar.ours} / {bar.theirs} not measured: {bar.theirs} is absent")
            continue
        ratio = results[bar.theirs].cpu_us / results[bar.ours].cpu_us
        missed += ratio < bar.at_least
        short = f" MISSED, needs {bar.at_least:g}" if ratio < bar.at_least else ""
        said.append(f"{bar.ours} / {bar.theirs} {ratio:.2f}x{short}")
    missed += kb > MOST_KB
    said.append(f"{kb:.1f} kB an idle person" + (f" MISSED, at most {MOST_KB:g}" if kb > MOST_KB else ""))
    return not missed, f"{', '.join(said)}: {'all hold' if not missed else f'{missed} missed'}"


def run(rounds: int, people: int, seconds: float) -> int:
    """Measure and print; the exit code."""
    if not (importlib.util.find_spec("websocket") and importlib.util.find_spec("wsaccel")):
        print("Nothing to compare with: pip install 'chat-chaos[bench]'", file=sys.stderr)
        return EXIT_NOTHING_TO_COMPARE
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = sides(people)
    absent = {K6, ARTILLERY} - {side.name for side in found}
    print(
        f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} at the start; {people} people, {rounds} rounds"
    )
    if absent:
        print(f"absent: {', '.join(sorted(absent))}")
    results = play(found, rounds, people, seconds)
    print(HEADER)
    for name, figures in results.items():
        print(row(name, figures, results[LOCUST]))
    holds, line = verdict(results, idle_kb())
    print(line)
    return 0 if holds else EXIT_MISSED


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--people", type=int, default=100, help="people of each load side (default 100)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement (default 2)")
    given = parser.parse_args()
    return run(given.rounds, given.people, given.seconds)


if __name__ == "__main__":
    sys.exit(main())
