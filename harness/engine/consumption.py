"""Samples once a second what the parts of a run use, into ``resources.jsonl``, and reads it back for the results."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from harness.core.errors import EnvironmentFault
from harness.core.results import ResourceResult
from harness.stacks.api import PROXY, Accountable, Stack
from harness.stacks.machine import Load, MachineMeter
from harness.stacks.usage import Meter, Pid, Process, Usage, command_of, processes

NAME = "resources.jsonl"
EVERY_S = 1.0
CONDUCTOR, PEOPLE, HARNESS, MACHINE = "conductor", "people", "harness", "machine"
OURS = frozenset({PROXY, CONDUCTOR, PEOPLE, HARNESS})
_ELSEWHERE = frozenset({"external", "compose"})
"""Launchers that meet services which somebody else runs; a project of ours is measured all the same."""
_FULL, _MUCH = 0.9, 0.25
"""Shares of the cores: busy with anything, and busy with what is not this run."""
SWARM = "harness.swarm"
"""What the command line of a process that plays people has among its words."""

Side = Literal["stack", "ours", "all"]
SIDES: tuple[Side, ...] = ("stack", "ours", "all")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file: what one part used in the second that ended at ``mono_ns`` (see ``Usage``).

    The part ``machine`` is everything that runs there; only it has ``cores``, the number that there are.
    """

    v: int
    mono_ns: int
    part: str
    of: Side
    cpu: float
    busiest: float
    memory: int
    files: int
    processes: int
    cores: int = 0


@asynccontextmanager
async def measured(folder: Path, stack: Stack, *, people: Pid, watcher: Pid) -> AsyncIterator[None]:
    """Sample while the block runs; ``people`` is the process that has all swarms below it.

    Raises ``EnvironmentFault`` at the end when the file could not be written.
    """
    own = {os.getpid(): HARNESS, watcher: HARNESS, people: CONDUCTOR}
    task = asyncio.create_task(_sampling(folder / NAME, stack, own), name="resources")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sampling(path: Path, stack: Stack, own: Mapping[Pid, str]) -> None:
    meters = Meter(time.monotonic_ns), MachineMeter(time.monotonic_ns)
    roots: Mapping[Pid, str] = {}
    try:
        with path.open("ab", buffering=0) as file:
            while True:
                if isinstance(stack, Accountable):
                    with suppress(EnvironmentFault):  # a second without an answer changes nobody's parts
                        roots = await stack.roots()
                for line in await asyncio.to_thread(_lines, *meters, {**own, **roots}):
                    file.write(line)
                await asyncio.sleep(EVERY_S)
    except OSError as problem:
        raise EnvironmentFault(
            f"{path} could not be written: {problem.strerror}", hint="make room there, or choose another --out"
        ) from problem


def _lines(meter: Meter, machine: MachineMeter, roots: Mapping[Pid, str]) -> list[bytes]:
    table = processes()
    used = meter.read(table, {**roots, **_swarms(table, roots)})
    now_ns = time.monotonic_ns()
    samples = [_sample(part, usage, now_ns) for part, usage in sorted(used.items())]
    if load := machine.read():
        samples.append(_of_all(load, len(table), now_ns))
    return [msgspec.json.encode(sample) + b"\n" for sample in samples]


def _of_all(load: Load, count: int, now_ns: int) -> Sample:
    return Sample(
        v=1,
        mono_ns=now_ns,
        part=MACHINE,
        of="all",
        cpu=load.busy,
        busiest=load.busy,
        memory=load.memory,
        files=0,
        processes=count,
        cores=load.cores,
    )


def _sample(part: str, usage: Usage, now_ns: int) -> Sample:
    of: Side = "ours" if part in OURS else "stack"
    return Sample(
        v=1,
        mono_ns=now_ns,
        part=part,
        of=of,
        cpu=usage.cpu,
        busiest=usage.busiest,
        memory=usage.memory,
        files=usage.files,
        processes=usage.processes,
    )


def _swarms(table: Mapping[Pid, Process], roots: Mapping[Pid, str]) -> dict[Pid, str]:
    """The processes that play people, which whoever conducts them has started."""
    above = {pid for pid, part in roots.items() if part == CONDUCTOR}
    found: dict[Pid, str] = {}
    for each in sorted(table.values(), key=lambda one: one.started):
        if each.parent in above:
            above.add(each.pid)
            if SWARM in command_of(each.pid):
                found[each.pid] = PEOPLE
    return found


def read_samples(folder: Path) -> list[Sample]:
    """Return what was sampled in a run's folder, in the order of time; the last line may be half written."""
    found = []
    with suppress(FileNotFoundError):
        for line in (folder / NAME).read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line, type=Sample))
    return found


def consumption(samples: Iterable[Sample], from_ns: int, to_ns: int) -> tuple[ResourceResult, ...]:
    """Return what each part used between two moments (monotonic): the stack's first, the busiest first."""
    parts: dict[tuple[Side, str], list[Sample]] = {}
    for each in samples:
        if from_ns <= each.mono_ns <= to_ns:
            parts.setdefault((each.of, each.part), []).append(each)
    found = [_result(part, of, several) for (of, part), several in parts.items()]
    return tuple(sorted(found, key=lambda one: (SIDES.index(one.of), -one.cpu_mean, one.part)))


def unmeasured(found: Sequence[ResourceResult], launcher: str) -> str:
    """Return why nothing is known of what the stack's services used; empty when it is."""
    if any(one.of == "stack" for one in found):
        return ""
    why = "this machine has no /proc, or their engine runs on another one"
    if launcher in _ELSEWHERE:
        why = "they run where only their operator can look"
    return f"unsupported: nothing is known of what the services use: {why}"


def other_work(found: Sequence[ResourceResult]) -> str:
    """Return a sentence on what else kept this machine busy; empty where the run itself had most of what there was."""
    machine = next((one for one in found if one.of == "all"), None)
    known = any(one.of == "stack" for one in found)  # else the services' own work may be among it
    if machine is None or not known or machine.cpu_mean < _FULL * machine.cores:
        return ""
    others = machine.cpu_mean - sum(one.cpu_mean for one in found if one.of != "all")
    if others < _MUCH * machine.cores:
        return ""
    return f"other work had {others:.1f} of its {machine.cores} cores: run it where nothing else does"


def _result(part: str, of: Side, several: Sequence[Sample]) -> ResourceResult:
    def most(number: Callable[[Sample], float]) -> float:
        return max(map(number, several))

    return ResourceResult(
        part=part,
        of=of,
        samples=len(several),
        cpu_mean=round(sum(each.cpu for each in several) / len(several), 3),
        cpu_max=most(lambda each: each.cpu),
        busiest_max=most(lambda each: each.busiest),
        memory_max=int(most(lambda each: each.memory)),
        files_max=int(most(lambda each: each.files)),
        processes_max=int(most(lambda each: each.processes)),
        cores=int(most(lambda each: each.cores)),
    )
