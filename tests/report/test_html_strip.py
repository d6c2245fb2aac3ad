"""All messages of a run on one plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.results import FaultResult
from harness.history.ingest import open_history
from harness.report.html.breakage import Struck
from harness.report.html.strip import MOST_CELLS, Cell, Strip, coarsened, strip_of
from harness.report.html.strip_svg import draw_strip
from harness.testing.histories import HistoryBuilder, at_ns

CRASH = FaultResult(
    id="crash",
    kind="process.kill",
    target="chat",
    rung="healed",
    gap="not_recovered",
    exposed=1,
    started_ns=at_ns(3.0),
    ended_ns=at_ns(4.0),
)


def strip(tmp_path: Path, builder: HistoryBuilder, *struck: Struck) -> Strip:
    """The plane of a history in which a crash happened."""
    with open_history([builder.write(tmp_path / "events")]) as history:
        return strip_of(history, [CRASH], struck, 3.0)


@pytest.fixture
def builder() -> HistoryBuilder:
    """Two messages that arrived, one quickly and one slowly, and one that reached nobody."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    for name, took in (("quick", 0.01), ("slow", 1.0)):
        message = builder.send(name, 2.0)
        builder.live(message, "bob/phone", message.answered_s + took)
    builder.send("gone", 3.0)
    return builder


def test_messages_lie_by_acceptance_and_by_how_long_they_took(tmp_path: Path, builder: HistoryBuilder) -> None:
    """Forty rows for each power of ten, from a tenth of a millisecond up; what never reached all has no row."""
    plane = strip(tmp_path, builder)
    assert [cell.row for cell in plane.cells] == [80, 160, None]
    assert plane.cells[0].column == plane.cells[1].column < plane.cells[2].column
    assert (plane.accepted, plane.unanswered) == (3, 0)


def test_what_broke_a_promise_is_drawn_for_itself(tmp_path: Path, builder: HistoryBuilder) -> None:
    """A lost message has its own dot on the rail at the top, counted, and leads to its section."""
    plane = strip(tmp_path, builder, Struck("acked_never_lost", "c-gone", None, "gone for good", "stored"))
    assert sum(cell.count for cell in plane.cells) == 2
    [hit] = plane.hits
    assert (hit.name, hit.took_ns, hit.lost) == ("c-gone", None, True)
    svg = draw_strip(plane, {"process.kill": "#123456"}, {"c-gone": "check-x-1"})
    assert "1 lost" in svg
    assert '<a href="#check-x-1"><circle' in svg
    assert "gone for good" in svg


def test_faults_and_phases_frame_the_plane(tmp_path: Path, builder: HistoryBuilder) -> None:
    """Each fault has a bar in its kind's colour with what it came to; the promise is a line."""
    svg = draw_strip(strip(tmp_path, builder), {"process.kill": "#123456"}, {})
    assert "--c:#123456" in svg
    assert "crash: process.kill on chat, not_recovered" in svg
    assert "promised within 3 s" in svg
    assert ">inject<" in svg


def test_a_late_message_keeps_its_height(tmp_path: Path, builder: HistoryBuilder) -> None:
    """What came at last lies where its time puts it, not on the rail of what is lost."""
    plane = strip(tmp_path, builder, Struck("recovered", "c-slow", None, "late", "recipient_online_delivered"))
    assert [(hit.took_ns, hit.lost) for hit in plane.hits] == [(10**9, False)]
    assert "lost" not in draw_strip(plane, {}, {})


def test_a_message_that_nobody_sent_lies_where_it_was_seen(tmp_path: Path, builder: HistoryBuilder) -> None:
    """No send is known, so its own moment counts."""
    plane = strip(tmp_path, builder, Struck("nothing_unsent", "s-ghost", at_ns(5.0), "from nowhere"))
    assert [hit.accepted_ns for hit in plane.hits] == [at_ns(5.0)]


def test_many_messages_become_fewer_larger_fields() -> None:
    """Neighbours are put together until few are left, and none is dropped."""
    cells = [Cell(column, column % 200, 2) for column in range(20_000)]
    found, grain = coarsened(cells, MOST_CELLS)
    assert len(found) <= MOST_CELLS
    assert sum(cell.count for cell in found) == 40_000
    assert grain > 1


def test_thousands_of_broken_promises_stay_small_and_are_all_there(tmp_path: Path) -> None:
    """Beyond the first hundreds they are points of one path; the rail tells how many there are."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    lost = [builder.send(str(number), 1.0 + number / 1000) for number in range(6000)]
    struck = [Struck("acked_never_lost", one.client_message_id, None, "lost", "stored") for one in lost]
    svg = draw_strip(strip(tmp_path, builder, *struck), {}, {})
    assert "6000 lost" in svg
    assert 'class="dots struck"' in svg
    assert len(svg) < 120_000
