"""The recorder: what is on file after any end, and what it refuses to write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.errors import EnvironmentFault
from harness.core.events import Event
from harness.history.recorder import DETAIL_LIMIT, SAMPLE_EVERY, STALL_NS, Recorder

ENDLESS = """
import sys
from pathlib import Path
from harness.history.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), run="r", role="victim", observer="client")
while True:
    fact = recorder.record("client_send_started", op="x" * 200)
    if fact.seq == 300:
        print("ready", flush=True)
"""


def recorder(folder: Path) -> Recorder:
    """A recorder of the run ``r``."""
    return Recorder(folder, run="r", role="swarm", observer="client")


def lines(folder: Path) -> list[dict[str, object]]:
    """Every event on file."""
    return [json.loads(line) for file in folder.iterdir() for line in file.read_text().splitlines()]


def test_each_event_is_on_file_when_record_returns(tmp_path: Path) -> None:
    """Nothing waits in a buffer, numbers have no gaps, and absent facts are absent."""
    writing = recorder(tmp_path)
    for expected in range(3):
        writing.record("person_online", device="alice/phone", platform=None)
        assert len(lines(tmp_path)) == expected + 1
    first = lines(tmp_path)[0]
    assert [line["seq"] for line in lines(tmp_path)] == [0, 1, 2]
    assert set(first) == {"v", "run", "writer", "seq", "mono_ns", "wall_ns", "event", "observer", "device"}


def test_an_orderly_end_has_a_last_word(tmp_path: Path) -> None:
    """Closing twice says it once."""
    writing = recorder(tmp_path)
    writing.beat()
    writing.close()
    writing.close()
    assert [line["event"] for line in lines(tmp_path)] == ["recorder_heartbeat", "writer_closed"]


def test_observer_and_phase_have_defaults_that_one_event_may_override(tmp_path: Path) -> None:
    """The oracle speaks through the swarm's recorder in its own name."""
    writing = recorder(tmp_path)
    writing.phase = "oracle"
    told = writing.record("oracle_read", observer="oracle")
    own = writing.record("person_online", phase="provision")
    assert (told.observer, told.phase) == ("oracle", "oracle")
    assert (own.observer, own.phase) == ("client", "provision")


def test_subscribers_see_every_event_after_it_is_on_file(tmp_path: Path) -> None:
    """A fault that starts after an event never starts before that event is evidence."""
    writing = recorder(tmp_path)
    seen: list[tuple[Event, int]] = []
    writing.subscribe(lambda fact: seen.append((fact, len(lines(tmp_path)))))
    fact = writing.record("person_online")
    assert seen == [(fact, 1)]


@pytest.mark.parametrize(
    ("event", "fields", "error"),
    [
        ("person_onlin", {}, ValueError),
        ("person_online", {"colour": "red"}, TypeError),
        ("person_online", {"detail": {"nested": {}}}, TypeError),
    ],
)
def test_what_no_reader_would_understand_is_not_written(
    tmp_path: Path, event: str, fields: dict[str, object], error: type[Exception]
) -> None:
    """A refused event takes no number, so that it leaves no gap."""
    writing = recorder(tmp_path)
    with pytest.raises(error):
        writing.record(event, **fields)
    assert writing.record("person_online").seq == 0


@pytest.mark.parametrize("detail", [{"text": "ü" * 5000, "n": 1}, {f"key{n}": n for n in range(500)}])
def test_detail_is_kept_within_its_limit(tmp_path: Path, detail: dict[str, str | int]) -> None:
    """An error text of a megabyte must not become a line of a megabyte."""
    recorder(tmp_path).record("connection_lost", detail=detail)
    written = lines(tmp_path)[0]["detail"]
    assert 0 < len(json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()) <= DETAIL_LIMIT


def test_no_file_is_written_by_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that exists already belongs to another start."""
    monkeypatch.setattr("harness.history.recorder.writer_id", lambda *_: "same")
    recorder(tmp_path)
    with pytest.raises(EnvironmentFault, match="cannot make"):
        recorder(tmp_path)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence that is cut short ends the run with a sentence."""
    writing = recorder(tmp_path)
    monkeypatch.setattr(os, "write", lambda _fd, line: len(line) - 1)
    with pytest.raises(EnvironmentFault, match="only part"):
        writing.record("person_online")


def test_a_slow_write_is_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled disk delays whoever records, so the history says when it happened."""
    ticks = iter([0, STALL_NS + 1])
    monkeypatch.setattr("harness.history.recorder.time.perf_counter_ns", lambda: next(ticks))
    writing = recorder(tmp_path)
    for _ in range(SAMPLE_EVERY):
        writing.record("person_online")
    stalls = [line for line in lines(tmp_path) if line["event"] == "recorder_stall"]
    assert [stall["detail"] for stall in stalls] == [{"took_ms": 5.0}]
    assert [line["seq"] for line in lines(tmp_path)] == list(range(SAMPLE_EVERY + 1))


def test_kill_loses_nothing_and_tears_nothing(tmp_path: Path) -> None:
    """After SIGKILL every line that was begun is whole, in sequence, and without a last word."""
    victim = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    with victim.stdout as told:
        assert told.readline() == b"ready\n"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    text = next(tmp_path.iterdir()).read_text()
    found = lines(tmp_path)
    assert text.endswith("\n")
    assert len(found) > 300
    assert [line["seq"] for line in found] == list(range(len(found)))
    assert {line["event"] for line in found} == {"client_send_started"}
