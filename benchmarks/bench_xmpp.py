"""Our XMPP driver beside tsung on the same ejabberd, with the same people, pairs and rate of messages, in one run.

Everybody writes to the other of their pair, as often as it takes for the rate, and leaves. Every round plays both, in
another order each round; the table shows medians. CPU is that of all processes of a load side between two moments in
the middle of a play, log-ins left out, for each message that the server archived in between by its own clock.

The last line has the ratio, for which there is no bar, and says whether both sides carried the rate and all messages of
all plays are in the archives, and ours each with its outcome. Exit code 0 when that is so, 1 when not, 3 when tsung or
ejabberd is missing or failed.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil
from bench_load import family, used_s
from xmpp_archive import Archives
from xmpp_bars import Play, failures
from xmpp_sides import ARRIVALS_PER_S, OURS, TSUNG, Ours, Task, Tsung, name_service

from harness.core.errors import EnvironmentFault
from harness.drivers.api import Endpoint, Person
from harness.drivers.xmpp.driver import make
from harness.testing.chat_servers import find

DOMAIN = "chat.test"
TEXT = "Shall we meet at the station at seven, or would you rather walk? (12.3456)"
EXIT_MISSED, EXIT_NOTHING_TO_COMPARE, EXIT_INTERRUPTED = 1, 3, 130
CONNECTS_WITHIN_S, ENDS_WITHIN_S = 60.0, 60.0
SETTLE_S, SPARE_S = 3.5, 1.0
STANDING = "CHAT_CHAOS_DIRECT"


@dataclass(frozen=True, slots=True)
class Middle:
    """What was seen between two moments of wall time."""

    began_ns: int
    ended_ns: int
    cpu_s: float
    rss_mb: float


def play(side: Ours | Tsung, task: Task, archives: Archives, seconds: float) -> Play:
    """Play one side from begin to end; raises ``EnvironmentFault``."""
    with tempfile.TemporaryDirectory(prefix="chat-chaos-bench-") as name, tempfile.TemporaryFile("w+") as output:
        folder = Path(name)
        playing = side.start(task, folder, output)
        try:
            middle = middle_of(playing, task, seconds)
        except (psutil.NoSuchProcess, subprocess.SubprocessError, TimeoutError) as problem:
            output.seek(0)
            what = f"{side.name} did not play to its end: {problem}\n{output.read()[-2000:]}"
            raise EnvironmentFault(what, hint="a lower --rate may do") from None
        finally:
            end(playing)
        known = side.known(task, folder)
    archived = asyncio.run(archives.new())
    count = archived.between(middle.began_ns, middle.ended_ns)
    if not count:
        raise EnvironmentFault(f"{side.name}: the server archived nothing in the middle of the play")
    took_s = (middle.ended_ns - middle.began_ns) / 1e9
    return Play(middle.cpu_s / count * 1e6, count / took_s, middle.rss_mb, task.asked_for, known, archived)


def middle_of(playing: subprocess.Popen[str], task: Task, seconds: float) -> Middle:
    """See what the middle of a play takes, and let it come to its end; raises what ``play`` names."""
    await_everybody(playing, task)
    time.sleep(SETTLE_S)
    middle = between(playing, seconds)
    if code := playing.wait(ENDS_WITHIN_S + task.messages * task.think_s):
        raise subprocess.CalledProcessError(code, playing.args)
    return middle


def await_everybody(playing: subprocess.Popen[str], task: Task) -> None:
    """Wait until everybody has a connection to the server; raises ``TimeoutError``."""
    until_s, port, most = time.monotonic() + CONNECTS_WITHIN_S, int(task.address.rpartition(":")[2]), 0
    while most < len(task.people):
        if time.monotonic() > until_s or playing.poll() is not None:
            raise TimeoutError(f"{most} of {len(task.people)} people were connected at a time")
        time.sleep(0.1)
        most = max(most, connections(playing.pid, port))


def connections(pid: int, port: int) -> int:
    """Connections to a port that a process and what it has started hold."""
    count = 0
    for each in family(pid):
        # The shell that starts tsung starts others, which end.
        with suppress(psutil.NoSuchProcess):
            found = each.net_connections("tcp")
            count += sum(one.status == psutil.CONN_ESTABLISHED and one.raddr.port == port for one in found)
    return count


def between(playing: subprocess.Popen[str], seconds: float) -> Middle:
    """See what the next ``seconds`` take."""
    before_s, began_ns = used_s(playing.pid), time.time_ns()
    time.sleep(seconds)
    cpu_s, ended_ns = used_s(playing.pid) - before_s, time.time_ns()
    return Middle(began_ns, ended_ns, cpu_s, sum(each.memory_info().rss for each in family(playing.pid)) / 2**20)


def end(playing: subprocess.Popen[str]) -> None:
    """Leave nothing behind of a load side."""
    if playing.poll() is None:
        left = family(playing.pid)
        for each in left:
            each.kill()
        psutil.wait_procs(left, ENDS_WITHIN_S)
    playing.wait()


def messages(people: int, rate: float, seconds: float) -> int:
    """How many each has to write for all to be writing in the middle: tsung's people come one by one."""
    lasts_s = people / ARRIVALS_PER_S + SETTLE_S + seconds + SPARE_S
    return math.ceil(lasts_s * rate / people)


def table(plays: Mapping[str, Sequence[Play]]) -> str:
    """The medians."""
    rows = ["load side    cpu us  msgs per core   msgs/s  RSS MB  knows of its messages, in the last play"]
    for name, several in plays.items():
        cpu_us, per_s, rss_mb = (median(several, figure) for figure in ("cpu_us", "per_s", "rss_mb"))
        rows.append(f"{name:10} {cpu_us:8.1f} {1e6 / cpu_us:14,.0f} {per_s:8.1f} {rss_mb:7.0f}  {several[-1].known}")
    return "\n".join(rows)


def median(several: Sequence[Play], figure: str) -> float:
    """The median of one figure."""
    return statistics.median(getattr(one, figure) for one in several)


def verdict(rate: float, plays: Mapping[str, Sequence[Play]]) -> tuple[bool, str]:
    """Give the ratio, and say whether it may be given."""
    ratio = median(plays[TSUNG], "cpu_us") / median(plays[OURS], "cpu_us")
    wrong = failures(rate, plays)
    said = f"{len(wrong)} failures, the first: {wrong[0]}" if wrong else "both carried the rate, nothing was lost"
    return not wrong, f"{OURS} / {TSUNG} {ratio:.2f}x the messages per core: {said}"


def run(address: str, rounds: int, people: int, rate: float, seconds: float) -> int:
    """Measure beside a server and print; the exit code."""
    at, driver = Endpoint(address, address), make({"domain": DOMAIN})
    names = [f"load{number:04d}" for number in range(people)]
    accounts = asyncio.run(driver.provision([Person(name, name, ()) for name in names], at))
    pairs = [(name, accounts[name].password, names[number ^ 1]) for number, name in enumerate(names)]
    archives, plays, number = Archives(driver, at, accounts), dict[str, list[Play]](), 0
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, load average {load:.1f} at the start; {people} people in pairs, {rate:g} messages/s")
    with name_service() as epmd_port:
        sides = (Ours(), Tsung(epmd_port))
        for of_all in range(rounds):
            print(f"round {of_all + 1} of {rounds}", file=sys.stderr)
            for side in sides if of_all % 2 == 0 else reversed(sides):
                number += 1
                each = messages(people, rate, seconds)
                task = Task(number, address, DOMAIN, pairs, each, people / rate, TEXT)
                plays.setdefault(side.name, []).append(play(side, task, archives, seconds))
    print(table(plays))
    holds, line = verdict(rate, plays)
    print(line)
    return 0 if holds else EXIT_MISSED


def beside_a_server() -> int:
    """Start ejabberd, and this again beside it."""
    with tempfile.TemporaryDirectory(prefix="chat-chaos-bench-") as out:
        stack = ["stack", "up", "ejabberd", "--proxy", "embedded", "--out", out, "--"]
        command = [sys.executable, "-m", "harness.cli.main", *stack, sys.executable, *sys.argv]
        with subprocess.Popen(command) as process:
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, lambda *_: process.terminate())
            return process.wait()


def interrupted(_number: int, _frame: FrameType | None) -> None:
    """End in order, once."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def even(text: str) -> int:
    """Read a number of people."""
    if (number := int(text)) < 2 or number % 2:
        raise argparse.ArgumentTypeError("people come in pairs")
    return number


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often both are measured (default 5)")
    parser.add_argument("--people", type=even, default=60, help="people, in pairs (default 60)")
    parser.add_argument("--rate", type=float, default=50, help="messages a second of all together (default 50)")
    parser.add_argument("--seconds", type=float, default=10, help="length of each measurement (default 10)")
    given = parser.parse_args()
    if shutil.which("tsung") is None or not find("ejabberd"):
        print("Nothing to compare with: apt-get install tsung ejabberd erlang-p1-sqlite3", file=sys.stderr)
        return EXIT_NOTHING_TO_COMPARE
    if STANDING not in os.environ:
        return beside_a_server()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, interrupted)
    try:
        return run(os.environ[STANDING], given.rounds, given.people, given.rate, given.seconds)
    except EnvironmentFault as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
