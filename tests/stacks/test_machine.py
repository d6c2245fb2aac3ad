"""What everybody on a machine uses together."""

from __future__ import annotations

import os
from pathlib import Path

from harness.stacks.machine import Load, MachineMeter, busy_s, memory_in_use

TICKS = os.sysconf("SC_CLK_TCK")
MEMORY = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n"


def books(folder: Path, *cores: tuple[float, float]) -> None:
    """Write the books: for each core the seconds of work and of idleness."""
    lines = ["cpu  1 2 3 4 5 6 7 8 9 10"]
    for number, (work, idle) in enumerate(cores):
        fields = (work / 2, 0, work / 4, idle - 1, 1, 0, work / 8, work / 8, 77, 78)
        lines.append(f"cpu{number} " + " ".join(str(round(field * TICKS)) for field in fields))
    (folder / "stat").write_text("\n".join([*lines, "intr 1 2 3", "ctxt 9"]) + "\n")
    (folder / "meminfo").write_text(MEMORY)


def test_cores_that_wait_for_a_disk_are_idle(tmp_path: Path) -> None:
    """Time of guests is in that of users already, and the line of all cores is no core."""
    books(tmp_path, (8.0, 4.0), (16.0, 2.0))
    assert busy_s((tmp_path / "stat").read_text().splitlines()) == [8.0, 16.0]


def test_memory_that_can_be_had_is_not_in_use() -> None:
    """Caches are given up when somebody needs the room."""
    assert memory_in_use(MEMORY.splitlines()) == 600 * 1024


def test_the_load_is_that_since_the_last_reading(tmp_path: Path) -> None:
    """Two cores, of which one worked all of sixteen seconds and the other half of them."""
    now = iter([10_000_000_000, 26_000_000_000])
    meter = MachineMeter(lambda: next(now), tmp_path)
    books(tmp_path, (8.0, 4.0), (16.0, 2.0))
    assert meter.read() is None
    books(tmp_path, (24.0, 4.0), (24.0, 10.0))
    assert meter.read() == Load(1.5, 2, 600 * 1024)


def test_a_machine_without_such_books_has_no_load(tmp_path: Path) -> None:
    """Elsewhere than on Linux nothing is known, which is no error."""
    meter = MachineMeter(lambda: 1, tmp_path / "nowhere")
    assert [meter.read(), meter.read()] == [None, None]
