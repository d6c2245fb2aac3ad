"""Latency and what was used meanwhile, on one axis of time."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from harness.core.results import FaultResult
from harness.engine.consumption import NAME
from harness.history.ingest import open_history
from harness.report.html.pace import MOST_POINTS, Pace, pace_of
from harness.report.html.pace_svg import RIGHT, draw_pace
from harness.testing.histories import HistoryBuilder, at_ns

CUT = FaultResult(
    id="cut",
    kind="network.down",
    target="client->chat",
    rung="healed",
    gap=None,
    exposed=1,
    started_ns=at_ns(3.0),
    ended_ns=at_ns(4.0),
)


def pace(folder: Path, builder: HistoryBuilder) -> Pace | None:
    """The curves of a history."""
    with open_history([builder.write(folder / "events")]) as history:
        return pace_of(history, folder, [CUT])


def sampled(folder: Path, *samples: tuple[str, float, float]) -> None:
    """Write samples of a part at a second with so many cores."""
    lines = [
        msgspec.json.encode(
            {
                "v": 1,
                "mono_ns": at_ns(second),
                "part": part,
                "of": "stack" if part == "chat" else "ours",
                "cpu": cores,
                "busiest": cores,
                "memory": 5_000_000,
                "files": 9,
                "processes": 1,
            }
        )
        for part, second, cores in samples
    ]
    (folder / NAME).write_bytes(b"\n".join(lines) + b"\n")


def writing(seconds: int) -> HistoryBuilder:
    """A message each second, each of which arrives after as many milliseconds as its number."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    for number in range(seconds):
        message = builder.send(f"m{number}", 2.0 + number)
        builder.live(message, "bob/phone", 2.0 + number + number / 1000 + 0.1)
    return builder


def test_each_second_has_its_percentiles_and_its_largest_sample(tmp_path: Path) -> None:
    """Four curves of latency; a part has one curve in each panel, the stack's parts first."""
    sampled(
        tmp_path, ("proxy", 2.4, 0.1), ("chat", 2.3, 0.2), ("chat", 2.9, 0.7), ("chat", 3.9, 0.3), ("chat", 99.0, 9.0)
    )
    found = pace(tmp_path, writing(4))
    assert found is not None
    assert [line.name for line in found.latency] == ["accepted p50", "accepted p95", "delivered p50", "delivered p95"]
    delivered = found.latency[3].points
    assert [round(value / 1e6) for _, value in delivered] == [100, 101, 102, 103]
    assert [line.name for line in found.cpu] == ["chat", "proxy"]
    assert [value for _, value in found.cpu[0].points] == [0.7, 0.3]
    assert found.cpu[0].points[0][0] == delivered[0][0]


def test_a_long_run_has_few_points(tmp_path: Path) -> None:
    """Eight hours make no larger page than four minutes."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    for number in range(0, 2000, 2):
        builder.send(f"m{number}", 2.0 + number)
    found = pace(tmp_path, builder)
    assert found is not None
    assert 100 < len(found.latency[0].points) <= MOST_POINTS


def test_one_message_makes_no_curve(tmp_path: Path) -> None:
    """Nothing to draw is no picture."""
    assert pace(tmp_path, writing(1)) is None


def test_the_picture_names_parts_and_faults(tmp_path: Path) -> None:
    """Each part has one colour in all panels, and the fault lies behind all curves; names are escaped."""
    sampled(tmp_path, ("chat", 2.3, 0.2), ("<b>", 2.4, 0.1))
    found = pace(tmp_path, writing(3))
    assert found is not None
    svg = draw_pace(found, {"network.down": "#123456"})
    assert "cut: network.down on client-&gt;chat" in svg
    assert "--c:#123456" in svg
    assert svg.count('class="line s0"') == 3 + 1
    assert svg.count(">chat<") == 3 + 1
    assert "<b>" not in svg


def test_many_parts_have_room_and_differ(tmp_path: Path) -> None:
    """Twenty services make a legend of several rows inside the picture, and no two lines look the same."""
    sampled(tmp_path, *((f"a-service-with-a-name-{number:02d}", 2.4, 0.1) for number in range(16)))
    found = pace(tmp_path, writing(3))
    assert found is not None
    svg = draw_pace(found, {})
    places = re.findall(r'<text class="tick" x="([\d.]+)" y="([\d.]+)">(a-service-with-a-name-\d+)</text>', svg)
    assert len(places) == 16
    assert len({y for _, y, _ in places}) == 4
    assert max(float(x) for x, _, _ in places) < RIGHT - 100
    drawn = set(re.findall(r'<path class="(line s\d(?: again)?)"><title>a-service', svg))
    drawn |= set(re.findall(r'<path class="(line s\d(?: again)?)" d="M[^"]*"><title>a-service', svg))
    assert len(drawn) == 16


def test_without_samples_there_is_the_latency_alone(tmp_path: Path) -> None:
    """A system that runs elsewhere is drawn as far as it was seen."""
    found = pace(tmp_path, writing(3))
    assert found is not None
    svg = draw_pace(found, {})
    assert "delivered p95" in svg
    assert "open files" not in svg
