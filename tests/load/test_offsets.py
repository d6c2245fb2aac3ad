"""Another machine's clock, and the events that were stamped by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import EnvironmentFault
from harness.core.events import Event
from harness.history.recorder import Recorder
from harness.load.collecting import CHUNK, fetch, pieces
from harness.load.machine import is_loopback, this_machine
from harness.load.offsets import Exchange, Offsets

S = 10**9
DELAYS = st.tuples(st.integers(0, 5_000_000), st.integers(0, 5_000_000))


class Theirs:
    """A clock with an offset that runs too fast by some millionths, asked over ways of some length."""

    def __init__(self, offset_ns: int, ppm: int) -> None:
        self._offset_ns = offset_ns
        self._ppm = ppm

    def at(self, here_ns: int) -> int:
        """What it says at a moment of ours."""
        return here_ns + self._offset_ns + here_ns * self._ppm // 10**6

    def asked(self, here_ns: int, there_ns: int, back_ns: int) -> Exchange:
        """Ask it; the ways there and back take so long."""
        return Exchange(here_ns, self.at(here_ns + there_ns), here_ns + there_ns + back_ns)


@given(
    st.integers(-(10**15), 10**15),
    st.integers(-300, 300),
    st.lists(st.lists(DELAYS, min_size=1, max_size=5), min_size=2, max_size=6),
    st.floats(0, 1),
)
def test_a_converted_time_is_never_further_off_than_said(
    offset_ns: int, ppm: int, measurements: list[list[tuple[int, int]]], share: float
) -> None:
    """Whatever the offset, its drift, and how long the ways take: the error is a bound."""
    clock, offsets = Theirs(offset_ns, ppm), Offsets()
    for number, delays in enumerate(measurements):
        offsets.add([clock.asked(number * 10 * S, *ways) for ways in delays])
    moment = round(share * (len(measurements) - 1) * 10 * S)
    assert abs(offsets.here(clock.at(moment)) - moment) <= offsets.error_ns + 1


def test_the_quickest_exchange_counts() -> None:
    """One answer without delay makes up for nine that dawdled."""
    clock, offsets = Theirs(7 * S, 0), Offsets()
    offsets.add([*(clock.asked(n * S, 40_000_000, 0) for n in range(9)), clock.asked(9 * S, 1000, 3000)])
    assert offsets.error_ns == 2000
    assert abs(offsets.here(20 * S) - 13 * S) <= 2000


def recorded(folder: Path, count: int) -> Recorder:
    """Record some events of another machine."""
    recorder = Recorder(folder, run="r", role="swarm", observer="client")
    for number in range(count):
        recorder.record("client_send_started", op=f"m{number}", attempt=1, intended_ns=5 * S)
    recorder.close()
    return recorder


def asker(folder: Path) -> Any:
    """The other machine's end."""

    def ask(do: str, **fields: Any) -> dict[str, Any]:
        assert do == "files"
        return pieces(folder, fields)

    return ask


def test_files_are_fetched_in_pieces_and_events_get_our_time(tmp_path: Path) -> None:
    """More than one piece, each event once, both of its times moved, the clock named."""
    there, here = tmp_path / "there", tmp_path / "here"
    here.mkdir()
    written = recorded(there, 9000)
    assert written.path.stat().st_size > CHUNK
    offsets = Offsets([Exchange(0, 2 * S, 0)])
    assert fetch(asker(there), here, "c1", offsets) == [written.path.name]
    before, after = (
        [msgspec.json.decode(line, type=Event) for line in (folder / written.path.name).read_bytes().splitlines()]
        for folder in (there, here)
    )
    assert [event.mono_ns - 2 * S for event in before] == [event.mono_ns for event in after]
    assert {event.intended_ns for event in after} == {3 * S, None}
    assert {event.clock for event in after} == {"c1"}
    assert [event.seq for event in after] == list(range(9001))


def test_with_the_same_clock_files_stay_as_they_are(tmp_path: Path) -> None:
    """Byte for byte, a torn last line too."""
    there, here = tmp_path / "there", tmp_path / "here"
    here.mkdir()
    file = recorded(there, 3).path
    with file.open("ab") as torn:
        torn.write(b'{"v":1,"ru')
    fetch(asker(there), here, "c1", None)
    assert (here / file.name).read_bytes() == file.read_bytes()
    moved = tmp_path / "moved"
    moved.mkdir()
    fetch(asker(there), moved, "c1", Offsets([Exchange(0, S, 0)]))
    assert (moved / file.name).read_bytes().endswith(b'\n{"v":1,"ru')


def test_only_event_files_of_the_folder_are_given(tmp_path: Path) -> None:
    """Nobody gets another file by asking for it."""
    (tmp_path / "events").mkdir()
    (tmp_path / "secret.jsonl").write_text("no")
    with pytest.raises(FileNotFoundError):
        pieces(tmp_path / "events", {"file": "../secret.jsonl", "offset": 0})


def test_a_machine_is_the_same_to_itself() -> None:
    """Two looks at one machine agree, and its names are no secret of the kernel's."""
    assert this_machine() == this_machine()
    assert len(this_machine().clock) == 12


@pytest.mark.parametrize(
    ("url", "here_only"),
    [("http://127.0.0.1:80", True), ("http://localhost", True), ("http://10.0.0.7:80", False), ("http://chat", False)],
)
def test_loopback_is_this_machine_only(url: str, here_only: bool) -> None:
    """Addresses that mean something else elsewhere are told from others."""
    assert is_loopback(url) is here_only


def test_a_failed_fetch_is_told(tmp_path: Path) -> None:
    """Who does not answer any more leaves no file that looks whole."""

    def ask(_: str, **fields: Any) -> dict[str, Any]:
        if "file" in fields:
            raise EnvironmentFault("gone")
        return {"files": ["swarm-1-1.jsonl"]}

    with pytest.raises(EnvironmentFault, match="gone"):
        fetch(ask, tmp_path, "c1", None)
    assert (tmp_path / "swarm-1-1.jsonl").read_bytes() == b""
