"""The watcher in ordinary times: starting, signalling, waiting, releasing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import EnvironmentFault
from harness.stacks import faketime
from harness.stacks.watcher_client import Watcher
from harness.testing.lacking import lacking

pytestmark = pytest.mark.usefixtures("temporary")
Script = Callable[[Watcher], Coroutine[Any, Any, Any]]


def watched(folder: Path, script: Script) -> Any:
    """Run a coroutine under a watcher of its own."""

    async def run() -> Any:
        async with Watcher.start(folder / "journal.jsonl", run="test") as watcher:
            return await script(watcher)

    return asyncio.run(run())


def test_a_program_runs_with_exactly_the_environment_given(tmp_path: Path, env: dict[str, str]) -> None:
    """Nothing of the harness's own environment, secrets included, reaches a program unasked."""
    log = tmp_path / "logs" / "env.log"

    async def script(watcher: Watcher) -> int | None:
        pid = await watcher.spawn("env", ["env"], env={**env, "ONLY": "this"}, log=log)
        return await watcher.wait_exit(pid, 5)

    assert watched(tmp_path, script) == 0
    assert set(log.read_text().split()) == {f"PATH={env['PATH']}", "ONLY=this"}


def test_output_is_appended_over_restarts(tmp_path: Path, env: dict[str, str]) -> None:
    """A restarted service continues its log instead of wiping what led to the restart."""
    log = tmp_path / "echo.log"

    async def script(watcher: Watcher) -> None:
        for word in ("one", "two"):
            pid = await watcher.spawn("echo", ["sh", "-c", f"echo {word}; echo {word} >&2"], env=env, log=log)
            await watcher.wait_exit(pid, 5)

    watched(tmp_path, script)
    assert log.read_text().split() == ["one", "one", "two", "two"]


def test_exit_statuses_and_signals_are_told(tmp_path: Path, env: dict[str, str]) -> None:
    """A status is the program's own, negative for the signal that ended it, None while it runs."""

    async def script(watcher: Watcher) -> list[int | None]:
        log = tmp_path / "x.log"
        ended = await watcher.spawn("ended", ["sh", "-c", "exit 3"], env=env, log=log)
        endless = await watcher.spawn("endless", ["sleep", "60"], env=env, log=log)
        seen = [await watcher.wait_exit(ended, 5), watcher.exit_status(ended), watcher.exit_status(endless)]
        seen.append(await watcher.wait_exit(endless, 0.01))
        await watcher.signal(endless, signal.SIGKILL)
        seen.append(await watcher.wait_exit(endless, 5))
        await watcher.signal(endless, signal.SIGKILL)  # gone: no error
        return seen

    assert watched(tmp_path, script) == [3, 3, None, None, -9]


def test_a_signal_reaches_what_the_program_started(
    tmp_path: Path, env: dict[str, str], alive: Callable[[int], bool], poll: Callable[..., bool]
) -> None:
    """Killing a service kills its workers too: they would keep its port."""
    log = tmp_path / "worker.log"

    async def script(watcher: Watcher) -> bool:
        pid = await watcher.spawn("shell", ["sh", "-c", "sleep 60 & echo $!; wait"], env=env, log=log)
        assert await asyncio.to_thread(poll, lambda: log.read_text().endswith("\n"), 5)
        await watcher.signal(pid, signal.SIGKILL)
        await watcher.wait_exit(pid, 5)
        return await asyncio.to_thread(poll, lambda: not alive(int(log.read_text())), 5)

    assert watched(tmp_path, script)


def test_a_killed_program_with_a_movable_clock_leaves_no_shared_memory(
    tmp_path: Path, env: dict[str, str], poll: Callable[..., bool]
) -> None:
    """What libfaketime shares between processes is there while the program runs, and gone after SIGKILL."""
    library = faketime.library(os.environ)
    if library is None or faketime.reason(os.environ):
        lacking("faketime", faketime.reason(os.environ))
    clock = faketime.MovableClock(library, tmp_path / "offset")
    clock.move(60.0)

    def shared(pid: int) -> list[str]:
        return [path.name for path in Path("/dev/shm").iterdir() if path.name.endswith(f"_{pid}")]

    async def script(watcher: Watcher) -> list[str]:
        pid = await watcher.spawn("late", ["sleep", "60"], env=env | clock.environment(), log=tmp_path / "x.log")
        assert await asyncio.to_thread(poll, lambda: len(shared(pid)) == 2, 5)
        await watcher.signal(pid, signal.SIGKILL)
        await watcher.wait_exit(pid, 5)
        return shared(pid)

    assert watched(tmp_path, script) == []


def test_descriptors_are_inherited_under_the_number_in_argv(tmp_path: Path, env: dict[str, str]) -> None:
    """A socket given to a program is usable by the number that its command line names."""
    ours, theirs = socket.socketpair()
    code = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).sendall(b'hello')"

    async def script(watcher: Watcher) -> bytes:
        argv = [sys.executable, "-c", code, "{fd0}"]
        pid = await watcher.spawn("child", argv, env=env, log=tmp_path / "x.log", pass_fds=[theirs.fileno()])
        theirs.close()
        await watcher.wait_exit(pid, 10)
        return ours.recv(100)

    with ours:
        assert watched(tmp_path, script) == b"hello"


@pytest.mark.parametrize(
    ("argv", "cwd", "named"),
    [
        (["no-such-program-anywhere"], None, "there is no program no-such-program-anywhere"),
        (["/etc/passwd"], None, "/etc/passwd: Permission denied"),
        (["true"], Path("/no/such/folder"), "/no/such/folder"),
        (["sh\0"], None, "Invalid argument"),
    ],
)
def test_what_cannot_start_is_told_in_a_sentence_and_the_watcher_lives_on(
    tmp_path: Path, env: dict[str, str], argv: list[str], cwd: Path | None, named: str
) -> None:
    """A missing program, one that is none, or a missing folder is the user's to mend."""

    async def script(watcher: Watcher) -> int | None:
        with pytest.raises(EnvironmentFault) as told:
            await watcher.spawn("chat", argv, env=env, log=tmp_path / "x.log", cwd=cwd)
        assert "cannot start chat" in told.value.what
        assert named in told.value.what
        assert told.value.hint
        pid = await watcher.spawn("true", ["true"], env=env, log=tmp_path / "x.log")
        return await watcher.wait_exit(pid, 5)

    assert watched(tmp_path, script) == 0


@pytest.mark.slow
def test_release_asks_first_and_then_kills(
    tmp_path: Path, env: dict[str, str], temporary: Path, poll: Callable[..., bool]
) -> None:
    """At an orderly end a program may finish its work; one that will not listen is killed; folders are gone."""
    log, deaf = tmp_path / "polite.log", tmp_path / "deaf.log"

    async def script(watcher: Watcher) -> Path:
        trap = "trap 'echo bye; exit 0' TERM; echo ready; sleep 60 & wait"
        await watcher.spawn("polite", ["sh", "-c", trap], env=env, log=log)
        await watcher.spawn("deaf", ["sh", "-c", "trap '' TERM; echo $$; sleep 60; sleep 60"], env=env, log=deaf)
        folder = await watcher.temporary_folder("data")
        (folder / "file").write_text("x")
        assert await asyncio.to_thread(poll, lambda: log.read_text() and deaf.read_text(), 5)
        return folder

    folder = watched(tmp_path, script)
    assert log.read_text().split() == ["ready", "bye"]
    assert not Path(f"/proc/{int(deaf.read_text())}").exists()
    assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_a_cancelled_run_is_released_all_the_same(tmp_path: Path, env: dict[str, str]) -> None:
    """Ctrl-C during a wait leaves neither process nor watcher."""
    pids: list[int] = []

    async def script(watcher: Watcher) -> None:
        pids.append(watcher.pid)
        pids.append(await watcher.spawn("endless", ["sleep", "60"], env=env, log=tmp_path / "x.log"))
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)  # type: ignore[union-attr]
        await watcher.wait_exit(pids[1], 60)

    with pytest.raises(asyncio.CancelledError):
        watched(tmp_path, script)
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_ctrl_c_in_the_terminal_reaches_only_the_harness(tmp_path: Path, env: dict[str, str]) -> None:
    """Watcher and programs stand in sessions of their own, so that the harness decides what ends when."""

    async def script(watcher: Watcher) -> None:
        pid = await watcher.spawn("endless", ["sleep", "60"], env=env, log=tmp_path / "x.log")
        assert [os.getsid(watcher.pid), os.getsid(pid)] == [watcher.pid, pid]

    watched(tmp_path, script)


def test_a_dead_watcher_is_told_and_takes_its_children_along(
    tmp_path: Path, env: dict[str, str], alive: Callable[[int], bool], poll: Callable[..., bool]
) -> None:
    """When the watcher itself is killed, its programs die with it and every caller hears of it."""

    async def script(watcher: Watcher) -> None:
        pid = await watcher.spawn("endless", ["sleep", "60"], env=env, log=tmp_path / "x.log")
        waiting = asyncio.ensure_future(watcher.wait_exit(pid, 30))
        await asyncio.sleep(0)
        os.kill(watcher.pid, signal.SIGKILL)
        with pytest.raises(EnvironmentFault, match="the watcher process of run test ended with status -9"):
            await waiting
        with pytest.raises(EnvironmentFault):
            await watcher.spawn("another", ["true"], env=env, log=tmp_path / "x.log")
        assert await asyncio.to_thread(poll, lambda: not alive(pid), 5)

    watched(tmp_path, script)


def test_the_watcher_starts_quickly(tmp_path: Path, env: dict[str, str]) -> None:
    """Starting one and a first program costs little beside an interpreter's own start (bound is generous)."""

    async def script(watcher: Watcher) -> float:
        pid = await watcher.spawn("true", ["true"], env=env, log=tmp_path / "x.log")
        await watcher.wait_exit(pid, 5)
        return time.monotonic()

    started = time.monotonic()
    assert watched(tmp_path, script) - started < 2
