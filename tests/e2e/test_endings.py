"""However a run ends, nothing of it is left but its folder, and what it recorded never counts as a pass."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("CHAT_CHAOS_KILLS", "3"))
"""How many random moments to try; set it higher for a longer look."""
GONE_WITHIN_S = 5.0
CUT = 'cut: {kind: network.down, link: "client->chat", start: {at: 300ms}, for: 500ms}'

Chaos = Callable[..., "subprocess.CompletedProcess[str]"]
Started = Callable[..., "subprocess.Popen[str]"]
Family = Callable[[int], dict[int, str]]


@pytest.mark.parametrize("attempt", range(KILLS))
def test_sigkill_leaves_nothing_but_evidence(
    attempt: int,
    chaos: Chaos,
    started: Started,
    family: Family,
    quick_stack: Callable[..., Path],
    scenario: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Five seconds after SIGKILL no process, port or temporary folder is left; its history never counts as a pass."""
    file = scenario(CUT, stack=quick_stack())
    moment = random.Random(attempt).uniform(0.3, 6.0)  # from start-up to the reading of the truth
    run = started("run", file)
    time.sleep(moment)  # the moment is the subject here
    offspring = family(run.pid)
    ports = listening(offspring)
    run.kill()
    run.wait()
    wait_until_gone(offspring)
    assert not any(accepts(port) for port in ports)
    assert not left_in_temp(offspring)
    folders = [path for path in (tmp_path / "chat-chaos-runs").glob("*/") if path.name != "latest"]
    for folder in folders:
        judged = chaos("check", folder)
        assert judged.returncode in {1, 2, 4}, judged.stdout + judged.stderr
        assert "Traceback" not in judged.stderr


@pytest.mark.parametrize("impatient", [False, True], ids=["once", "twice"])
def test_ctrl_c_cleans_up_and_says_so(
    started: Started,
    family: Family,
    quick_stack: Callable[..., Path],
    scenario: Callable[..., Path],
    *,
    impatient: bool,
) -> None:
    """Exit 130, one sentence that names the run's folder, and no process left; also when it is pressed again."""
    run = started("run", scenario(CUT, stack=quick_stack()))
    offspring = wait_for_swarm(family, run.pid)
    run.send_signal(signal.SIGINT)
    if impatient:
        wait_until_gone(pid for pid, command in offspring.items() if "harness.swarm" in command)
        run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    wait_until_gone(offspring)
    assert not left_in_temp(offspring)


def wait_for_swarm(family: Family, pid: int) -> dict[int, str]:
    """Wait until the whole family of a run is there."""
    deadline = time.monotonic() + 30
    while not any("harness.swarm" in command for command in family(pid).values()):
        assert time.monotonic() < deadline, "the swarm never started"
        time.sleep(0.05)
    return family(pid)


def wait_until_gone(pids: Iterable[int]) -> None:
    """Wait until none of the processes lives."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listening(pids: Iterable[int]) -> set[int]:
    """Loopback ports on which any of the processes listens."""
    inodes = {inode for pid in pids for inode in sockets_of(pid)}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes}


def sockets_of(pid: int) -> set[str]:
    """Inodes of a process's sockets."""
    try:
        targets = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return set()  # it ended while we looked
    return {target[8:-1] for target in targets if target.startswith("socket:")}


def accepts(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def left_in_temp(pids: Iterable[int]) -> list[str]:
    """Temporary folders whose names carry one of the processes' ids."""
    names = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
    return [name for name in names if name.startswith("chat-chaos-") and any(f"-{pid}-" in name for pid in pids)]
