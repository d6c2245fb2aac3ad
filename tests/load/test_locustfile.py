"""A user's own locustfile with ``ChatUser``, run by Locust itself."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.pytest_plugin.guard import Refusal

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "locustfile.py"
BIN = Path(sys.executable).parent
PATIENCE_S = 90
TALK = """
from locust import constant, task
from harness.load import ChatUser

class Friend(ChatUser):
    wait_time = constant(0.1)

    @task
    def talk(self):
        friend = self.chat.another()
        if friend is None:
            return
        sent = self.chat.send(friend, "hello")
        assert sent.accepted == (sent.message_id is not None)
"""
LONELY = f"""{TALK}
import gevent
from locust import events

failed = []

@events.init.add_listener
def watch(environment, **_):
    @environment.events.request.add_listener
    def end_after_two(name, exception, **_):
        failed.append(name)
        if failed == ["connect"] * 2:
            gevent.spawn(environment.runner.quit)
"""
TWO_WAYS = """
from locust import constant, task
from harness.load import ChatUser

class Here(ChatUser):
    wait_time = constant(0.1)

    @task
    def talk(self):
        if friend := self.chat.another():
            assert self.chat.send(friend, "hello")

class There(Here):
    stack = "reference"
    parameters = {"token_ttl": "60"}
"""
ECHO = """
from locust import constant, task
from harness.load import ChatUser

class Echo(ChatUser):
    wait_time = constant(0.1)

    def on_start(self):  # without a call of ours: the chat is open all the same
        self.got = []

    @task
    def talk(self):
        if friend := self.chat.another():
            self.chat.send(friend, f"{self.chat.name} to {friend}")
        while message := self.chat.receive(timeout=0):
            self.got.append(message.message_id)
            assert message.text == f"{message.sender} to {self.chat.name}"
        assert self.chat.sync()

    def on_stop(self):
        print("GOT", len(self.got), len(set(self.got)), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A Locust run that is over."""

    status: int
    output: str
    folder: Path

    def rows(self, part: str = "stats") -> dict[str, dict[str, str]]:
        """The rows of one of Locust's CSV files by their name."""
        text = (self.folder / f"it_{part}.csv").read_text()
        return {row["Name"]: row for row in csv.DictReader(text.splitlines())}

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The events of these names, of all writers."""
        files = (self.folder / "chat-chaos-runs").glob("*-locust-*/events/*.jsonl")
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [line for line in lines if line["event"] in names]


def writers_when(folder: Path, event: str, count: int) -> list[int]:
    """Wait until so many events of a kind were recorded; return the pids of the swarms that recorded them."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        files = list(folder.glob("chat-chaos-runs/*/events/swarm-*.jsonl"))
        if sum(file.read_text().count(f'"{event}"') for file in files) >= count:
            return [int(file.name.split("-")[1]) for file in files]
        time.sleep(0.1)
    raise AssertionError(f"there were no {count} {event} in time")


@pytest.fixture
def locust(tmp_path: Path, family: Any) -> Callable[..., Ran]:
    """Run a locustfile beside a reference stack; ``meanwhile`` is called with the folder once Locust has begun."""

    def run(file: Path | str, *flags: str, stack: bool = True, meanwhile: Callable[[Path], None] | None = None) -> Ran:
        if not isinstance(file, Path):
            (tmp_path / "locustfile.py").write_text(file)
            file = tmp_path / "locustfile.py"
        command = [str(BIN / "locust"), "-f", str(file), "--headless", "--only-summary", "--csv", "it", *flags]
        if stack:
            command = [str(BIN / "chat-chaos"), "stack", "up", "reference", "--out", "stacks", "--", *command]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env=family.environ(),
        ) as process:
            if meanwhile:
                meanwhile(tmp_path)
            elif stack:
                writers_when(tmp_path, "server_accepted", 40)
                process.terminate()
            output, _ = process.communicate(timeout=PATIENCE_S)
        assert family.gone()
        return Ran(process.returncode, output, tmp_path)

    return run


def test_the_example_talks_and_every_message_can_be_judged(locust: Callable[..., Ran]) -> None:
    """Users, names and times are Locust's; the history is ours and holds."""
    ran = locust(EXAMPLE, "-u", "8", "-r", "8", "-t", "60s")
    assert ran.status == 0, ran.output
    rows = ran.rows()
    assert rows.keys() == {"send", "deliver", "connect", "sync", "Aggregated"}
    accepted = ran.events("server_accepted")
    assert 0 < int(rows["send"]["Request Count"]) <= len(accepted)
    assert float(rows["send"]["Average Response Time"]) > 0
    assert int(rows["deliver"]["Request Count"]) > 0
    assert float(rows["deliver"]["Max Response Time"]) == 0
    (events,) = (ran.folder / "chat-chaos-runs").glob("*/events")
    judged = subprocess.run(
        [BIN / "chat-chaos", "check", "--json", events], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout
    (result,) = json.loads(judged.stdout)["runs"]
    (lost,) = [check for check in result["checks"] if check["id"] == "acked_never_lost"]
    assert lost["exercised"] == len(accepted)


def test_each_message_is_received_once_by_whom_it_was_for(locust: Callable[..., Ran]) -> None:
    """``receive`` gives text and sender; a user's own ``on_start`` needs no call of ours."""
    ran = locust(ECHO, "-u", "4", "-r", "4", "-t", "60s")
    assert ran.status == 0, ran.output
    counts = [line.split()[1:] for line in ran.output.splitlines() if line.startswith("GOT")]
    assert len(counts) == 4
    assert all(got == different != "0" for got, different in counts)


def test_several_locust_processes_write_one_history(locust: Callable[..., Ran]) -> None:
    """Each worker has people of its own, with names that nobody else has."""
    ran = locust(TALK, "-u", "6", "-r", "6", "-t", "60s", "--processes", "2")
    assert ran.status == 0, ran.output
    assert int(ran.rows()["send"]["Request Count"]) > 0
    online = {(event["device"], event["writer"]) for event in ran.events("person_online")}
    assert len({writer for _, writer in online}) == 2
    assert len({device for device, _ in online}) == len(online) == 6
    assert len({event["run"] for event in ran.events("person_online")}) == 1


def test_users_of_two_stacks_are_kept_apart(locust: Callable[..., Ran]) -> None:
    """Each has people of its own, who meet nobody of the other's, and all write one history."""
    ran = locust(TWO_WAYS, "-u", "4", "-r", "4", "-t", "60s")
    assert ran.status == 0, ran.output
    online = {(event["device"], event["writer"]) for event in ran.events("person_online")}
    assert {device for device, _ in online} >= {"u0-0001/phone", "u0x1-0001/phone"}
    assert len({writer for _, writer in online}) == 2
    talks = {frozenset({event["sender"], event["recipient"]}) for event in ran.events("client_send_started")}
    assert all(len({name.partition("-")[0] for name in pair}) == 1 for pair in talks)


def test_without_an_address_one_sentence_says_so(locust: Callable[..., Ran]) -> None:
    """A mistake of the user's: the way out, exit code 2, and no traceback."""
    ran = locust(TALK, "-u", "2", "-t", "5s", stack=False)
    assert ran.status == 2
    assert "it is not known where the chat service is" in ran.output
    assert "Traceback" not in ran.output


def test_who_cannot_connect_is_a_failure(locust: Callable[..., Ran]) -> None:
    """Nobody listens there: Locust shows why, and its own exit code says that something failed."""
    ran = locust(LONELY, "-u", "2", "-r", "2", "-t", "60s", "--host", "http://127.0.0.1:9", stack=False)
    assert ran.status == 1, ran.output
    # Not from the CSV file, which Locust last writes up to a second before the end.
    assert re.search(r"CHAT\s+connect\s+2\s+2\(100", ran.output), ran.output
    assert "Traceback" not in ran.output


def kill_a_swarm(folder: Path) -> None:
    """Kill a process that plays the people once messages are acknowledged."""
    os.kill(writers_when(folder, "server_accepted", 3)[0], signal.SIGKILL)


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["local", "workers"])
def test_a_swarm_that_dies_ends_the_test(locust: Callable[..., Ran], flags: tuple[str, ...]) -> None:
    """One sentence, exit code 3, and what was recorded is kept."""
    ran = locust(TALK, "-u", "4", "-r", "4", "-t", "60s", *flags, meanwhile=kill_a_swarm)
    assert ran.status == 3, ran.output
    assert "a process that plays the people ended unexpectedly" in ran.output
    # Locust closes its CSV files under the greenlet that writes them, and says so in a traceback of its own.
    assert "harness/" not in ran.output.partition("Traceback")[2]
    assert ran.events("server_accepted")


def test_a_test_session_is_kept_from_it() -> None:
    """The package can be imported, also by pytest; asking for ``ChatUser`` there is refused before Locust is loaded."""
    script = (
        "import sys; from harness.pytest_plugin.guard import Guard; Guard().put(); import harness.load\n"
        "assert 'locust' not in sys.modules\n"
        "try:\n    harness.load.ChatUser\nexcept ImportError as told:\n    print(type(told).__name__)\n"
        "assert 'locust' not in sys.modules and 'gevent' not in sys.modules"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (told.stdout.strip(), told.stderr) == (Refusal.__name__, "")
