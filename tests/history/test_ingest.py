"""Reading events: what is whole, what is torn, what is no history at all."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.core.errors import UsageError
from harness.core.events import Event
from harness.history.ingest import open_history
from harness.history.integrity import Gap
from harness.testing.histories import HistoryBuilder, at_ns

WRITER = "swarm-1-1"


@pytest.fixture
def builder() -> HistoryBuilder:
    """One short history."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.live(builder.send("m1", 2.0), "bob/phone", 2.1)
    builder.add("writer_closed", 50.0).add("writer_closed", 50.0, observer="engine")
    return builder


@pytest.fixture
def events(tmp_path: Path, builder: HistoryBuilder) -> Path:
    """Its events folder, in a run folder whose name has what globs and Hive partitions are made of."""
    return builder.write(tmp_path / "bad-day[cut=1s]" / "events")


def damage(file: Path, *lines: bytes) -> None:
    """Append raw lines to a file."""
    with file.open("ab") as stream:
        stream.write(b"".join(lines))


def test_events_come_back_as_they_were_written(events: Path, builder: HistoryBuilder) -> None:
    """A run folder, its events folder and its files are the same history, in the order of time."""
    written = sorted(builder.events(), key=lambda event: (event.mono_ns, event.writer, event.seq))
    for source in ([events.parent], [events], sorted(events.iterdir()), [events, events.parent]):
        with open_history(source) as history:
            assert list(history.events()) == written
            assert history.integrity.events == len(written)
            assert history.integrity.problems == ()
            assert not history.integrity.evidence_lost


def test_the_parquet_file_holds_every_event(events: Path, tmp_path: Path) -> None:
    """The compact copy can be queried without the harness, and no half file is left beside it."""
    target = tmp_path / "it's" / "history.parquet"
    target.parent.mkdir()
    with open_history([events], parquet=target) as history:
        (count,) = history.rows("select count(*) from read_parquet(?)", [str(target)])[0]
        assert count == history.integrity.events
    assert [file.name for file in target.parent.iterdir()] == ["history.parquet"]


def test_a_torn_last_line_is_counted_and_forgiven(events: Path) -> None:
    """A kill may cut the last line short; nothing before it is doubted."""
    damage(events / f"{WRITER}.jsonl", b'{"v":1,"run":"synthetic","wri')
    with open_history([events]) as history:
        assert history.integrity.torn_lines == 1
        assert not history.integrity.evidence_lost


@pytest.mark.parametrize(
    "line", [b"garbage\n", b'{"v":1}\n', b"[1,2]\n", b'{"seq":"\xff"}\n', b'{"v":1,"seq":"one"}\n', b"\x00\x00\n"]
)
def test_an_unreadable_line_elsewhere_is_lost_evidence(events: Path, line: bytes) -> None:
    """Damage that no kill explains is told as such."""
    damage(events / f"{WRITER}.jsonl", line)
    with open_history([events]) as history:
        assert (history.integrity.torn_lines, history.integrity.unreadable_lines) == (0, 1)
        assert history.integrity.evidence_lost
        assert history.integrity.problems == ("1 line could not be read",)


def test_a_last_line_without_its_newline_is_read(events: Path) -> None:
    """Complete but for the newline is complete."""
    file = events / f"{WRITER}.jsonl"
    file.write_bytes(file.read_bytes().removesuffix(b"\n"))
    with open_history([events]) as history:
        assert history.integrity.torn_lines == 0
        assert history.integrity.killed == ()


def test_gaps_and_repetitions_of_numbers_are_found(events: Path) -> None:
    """A number that is missing is an event that is lost, also the first one."""
    file = events / f"{WRITER}.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[1:3], lines[4], lines[5], *lines[5:]]))
    with open_history([events]) as history:
        assert history.integrity.gaps == (Gap(WRITER, -1, 1), Gap(WRITER, 2, 1))
        assert history.integrity.repeated == 1
        assert history.integrity.problems[0] == f"{WRITER} lost 1 event before its first event"
        assert history.integrity.evidence_lost


def test_killed_and_silent_writers_are_named(tmp_path: Path) -> None:
    """A writer that never closed was killed; one whose heart stood still for long was held up."""
    builder = HistoryBuilder()
    for at_s in (1.0, 2.0, 6.5, 7.5):
        builder.add("recorder_heartbeat", at_s)
    with open_history([builder.write(tmp_path)]) as history:
        assert history.integrity.killed == ("engine-1-1", WRITER)
        (silence,) = history.integrity.silences
        assert (silence.writer, silence.from_ns, silence.to_ns) == (WRITER, at_ns(2.0), at_ns(6.5))
        assert f"{WRITER} gave no sign of life for 4.5 s" in history.integrity.problems


def test_other_versions_and_mixed_runs_are_named(events: Path) -> None:
    """Events of another run in the folder, written by a newer program."""
    stranger = Event(
        v=9, run="other", writer="x-1-1", seq=0, mono_ns=1, wall_ns=1, event="writer_closed", observer="client"
    )
    (events / "x-1-1.jsonl").write_bytes(msgspec.json.encode(stranger) + b"\n")
    with open_history([events]) as history:
        assert history.integrity.unknown_versions == (9,)
        assert history.integrity.runs == ("other", "synthetic")
        assert "events of 2 runs are mixed: other, synthetic" in history.integrity.problems


def test_an_empty_file_and_unknown_keys_do_no_harm(events: Path) -> None:
    """A process that was killed before its first event leaves an empty file; later versions add keys."""
    (events / "idle-1-1.jsonl").touch()
    file = events / f"{WRITER}.jsonl"
    file.write_bytes(file.read_bytes().replace(b'{"v":1,', b'{"new":{"a":[1]},"v":1,', 1))
    with open_history([events]) as history:
        assert history.integrity.problems == ()


@pytest.mark.parametrize("content", [b"", b'{"v":1,"ru'])
def test_files_without_one_event_are_no_history(tmp_path: Path, content: bytes) -> None:
    """Nothing recorded is nothing to judge."""
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match="holds no events"):
        open_history([tmp_path])


@pytest.mark.parametrize(
    "content", [b"hello\nworld\n", b"\x7fELF\x00\x01\n\x02\xff\n", b'{"name": 1}\n', b"x" * (1 << 25)]
)
def test_a_file_of_another_kind_is_refused_by_name(events: Path, content: bytes) -> None:
    """Also beside good files: it was named by mistake, or its evidence is gone."""
    (events / "notes.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match=r"notes\.jsonl"):
        open_history([events])


def test_missing_and_empty_places_are_sentences(tmp_path: Path) -> None:
    """No traceback for a wrong path, and a word on what to give."""
    with pytest.raises(UsageError, match=r"nowhere does not exist\n  give a run folder"):
        open_history([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="holds no event files"):
        open_history([tmp_path])
    with pytest.raises(UsageError, match="no events were named"):
        open_history([])
