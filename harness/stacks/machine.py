"""What everybody on this machine uses together, by the kernel's own books (proc(5)): nobody is slow alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.stacks.usage import NS_PER_S, PROC

_IDLE = slice(3, 5)
"""Idle, and idle while waiting for a disk."""
_STOLEN = 8
"""The fields up to this one; the later ones are counted among them once more (guests)."""


@dataclass(frozen=True, slots=True)
class Load:
    """Cores that were busy on average, how many there are, bytes that are in use."""

    busy: float
    cores: int
    memory: int


class MachineMeter:
    """Compares each reading of the machine's books with the one before."""

    def __init__(self, now_ns: Callable[[], int], proc: Path = PROC) -> None:
        self._now_ns = now_ns
        self._proc = proc
        self._before: tuple[int, float] | None = None

    def read(self) -> Load | None:
        """Return the load since the last call; None the first time, or where there are no such books."""
        with suppress(OSError):
            seconds = busy_s((self._proc / "stat").read_text().splitlines())
            before, self._before = self._before, (self._now_ns(), sum(seconds))
            past_s = (self._before[0] - before[0]) / NS_PER_S if before else 0.0
            if before and past_s > 0:
                busy = (self._before[1] - before[1]) / past_s
                memory = memory_in_use((self._proc / "meminfo").read_text().splitlines())
                return Load(round(busy, 3), len(seconds), memory)
        return None


def busy_s(lines: Sequence[str]) -> list[float]:
    """Return for each core how many seconds it was not idle since the machine started."""
    ticks = os.sysconf("SC_CLK_TCK")
    cores = [line.split() for line in lines if line.startswith("cpu") and line[3:4].isdigit()]
    spent = [[int(field) for field in fields[1 : 1 + _STOLEN]] for fields in cores]
    return [(sum(one) - sum(one[_IDLE])) / ticks for one in spent]


def memory_in_use(lines: Sequence[str]) -> int:
    """Return how many bytes are neither free nor easily made so."""
    found = {line.partition(":")[0]: line.split()[1] for line in lines}
    return (int(found["MemTotal"]) - int(found["MemAvailable"])) * 1024
