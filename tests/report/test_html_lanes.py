"""The picture of one message's way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.results import FaultResult, Witness
from harness.history.ingest import open_history
from harness.history.trace import Life, trace
from harness.report.html.lanes import MOST_RECIPIENTS, Scene
from harness.report.html.lanes_svg import draw_picture, legend
from harness.report.html.loglines import LogLine
from harness.report.html.picture import Picture
from harness.report.html.ways import last_sign, picture_of
from harness.testing.histories import HistoryBuilder, at_ns

LINK = "client:alice->chat"
SCENE = Scene(
    links={"alice/phone": LINK, "bob/phone": "client->chat"},
    audience=("bob/phone",),
    said=(),
    read_ns=at_ns(47.0),
    faults={"crash": FaultResult(id="crash", kind="process.kill", target="chat", rung="healed", gap=None, exposed=1)},
    colours={"process.kill": "#2c3e50"},
)
LOST = Witness(text="lost", client_message_id="c-m", mono_ns=at_ns(3.01), missing_step="stored")


@pytest.fixture
def life_of(tmp_path: Path) -> Callable[[HistoryBuilder], Life]:
    """Traces the message ``m`` of a history."""

    def follow(builder: HistoryBuilder) -> Life:
        with open_history([builder.write(tmp_path / "events")]) as history:
            return trace(history, "c-m")

    return follow


def ways(picture: Picture) -> list[tuple[str, str, bool]]:
    """The strokes of the message itself, without its neighbours."""
    return [(one.from_lane, one.to_lane, one.broken) for one in picture.strokes if one.tone != "faint"]


def test_the_path_runs_from_sender_to_recipient(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """Lanes stand in the order of the path; attempt, answer and delivery are strokes between them."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.live(builder.send("m", 3.0), "bob/phone", 3.05)
    picture = picture_of(life_of(builder), LOST, SCENE)
    assert [lane.key for lane in picture.lanes] == ["alice/phone", LINK, "service:chat", "archive", "bob/phone"]
    assert ways(picture) == [
        ("alice/phone", "service:chat", False),
        ("service:chat", "alice/phone", False),
        ("service:chat", "bob/phone", False),
    ]


def test_a_lost_message_ends_at_the_archive_that_does_not_have_it(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """The step that never came is dashed, due at the final reading; the last sign of life has a ring."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.live(builder.send("m", 3.0), "bob/phone", 3.05)
    life = life_of(builder)
    picture = picture_of(life, LOST, SCENE)
    assert picture.missing is not None
    assert (picture.missing.lane, picture.missing.at_ns) == ("archive", at_ns(47.0))
    assert picture.missing.word == "never stored"
    assert [dot.lane for dot in picture.dots if dot.tone == "last"] == ["bob/phone"]
    svg = draw_picture(picture)
    assert 'class="way missing"' in svg
    assert 'class="ring"' in svg


def test_an_attempt_that_never_left_ends_on_the_line(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """Not connected: a cross in the lane of the link; the next attempt goes through."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.send("m", 3.0, answers=("fail", "ok"))
    assert ways(picture_of(life_of(builder), LOST, SCENE))[0] == ("alice/phone", LINK, True)


def test_an_answer_that_got_lost_ends_on_its_way_back(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """The service wrote that it had the message, the client never heard: the cross is on the way back."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.send("m", 3.0, answers=("unknown",))
    said = LogLine("chat", at_ns(3.005), "message_persisted", "client_message_id=c-m")
    picture = picture_of(life_of(builder), LOST, replace(SCENE, said=(said,)))
    assert ways(picture) == [("alice/phone", "service:chat", False), ("service:chat", LINK, True)]
    assert "small dots: the service's own log" in legend(picture)


def test_a_refusal_is_an_answer(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """What the service refused had reached it: there and back, without a cross."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    message = builder.send("m", 3.0, answers=())
    builder.attempt(message, 1, 3.0, None)
    builder.add(
        "client_send_failed", 3.1, op="c-m", attempt=1, outcome="fail", error_code="rate_limited", device="alice/phone"
    )
    assert ways(picture_of(life_of(builder), LOST, SCENE)) == [
        ("alice/phone", "service:chat", False),
        ("service:chat", "alice/phone", False),
    ]


def test_a_push_has_the_lane_of_its_provider(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """What the provider saw is a lane of its own between the service and the recipients."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    message = builder.send("m", 3.0)
    facts = {"device": "bob/phone", "message_id": message.message_id, "provider": "push", "observer": "provider"}
    builder.add("push_failed", 3.2, provider_answer="throttled", http_status=429, **facts)
    picture = picture_of(life_of(builder), LOST, SCENE)
    assert [lane.key for lane in picture.lanes][-2:] == ["provider:push", "bob/phone"]
    assert ways(picture)[-1] == ("service:chat", "provider:push", False)
    assert [dot.word for dot in picture.dots if dot.lane == "provider:push"] == ["push failed"]


def test_a_fault_lies_behind_the_lane_of_its_target(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """A band with the rung that the fault reached, on the lanes that it concerns and no other."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    for event, at_s in (("fault_commanded", 3.2), ("fault_healed", 4.0)):
        builder.add(event, at_s, fault="crash", service="chat", detail={"kind": "process.kill"}, observer="engine")
    builder.send("m", 3.0)
    [band] = picture_of(life_of(builder), LOST, SCENE).bands
    assert (band.lanes, band.colour) == (("service:chat",), "#2c3e50")
    assert band.label == "crash: process.kill on chat, healed"
    assert (band.from_ns, band.to_ns) == (at_ns(3.2), at_ns(4.0))


def test_a_late_step_is_due_at_its_deadline(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """On the device that waited, at the moment by which it had to be there."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.sync(builder.send("m", 3.0), "bob/phone", 20.0, (None, "1"))
    late = Witness(text="late", device="bob/phone", mono_ns=at_ns(8.0), missing_step="recipient_online_delivered")
    missing = picture_of(life_of(builder), late, SCENE).missing
    assert missing is not None
    assert (missing.lane, missing.at_ns, missing.word) == ("bob/phone", at_ns(8.0), "not here in time: due 8.000 s")


def test_what_should_not_have_happened_is_marked(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """A receipt before its cause is no missing step: the receipt itself is wrong."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    builder.receipt("read", builder.send("m", 3.0), "bob", 3.5)
    early = Witness(text="early", device="alice/phone", mono_ns=at_ns(3.5), missing_step="message_read")
    life = life_of(builder)
    picture = picture_of(life, early, SCENE)
    assert picture.missing is None
    assert last_sign(life, early) is None
    assert [dot.word for dot in picture.dots if dot.tone == "bad"] == ["✓✓ read"]


def test_the_second_id_of_a_message_has_its_own_colour(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """A doubled message is seen twice, side by side."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    message = builder.send("m", 3.0)
    builder.live(message, "bob/phone", 3.05).live(message, "bob/phone", 3.05, message_id="s-again")
    twice = Witness(text="twice", client_message_id="c-m", mono_ns=at_ns(3.05))
    picture = picture_of(life_of(builder), twice, SCENE)
    assert [stroke.tone for stroke in picture.strokes if stroke.to_lane == "bob/phone"] == ["path", "second"]


def test_thousands_of_devices_do_not_make_thousands_of_lanes(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """A few lanes are drawn and the rest counted; the device that is complained of is among them."""
    crowd = [f"p{number:04}/phone" for number in range(2000)]
    builder = HistoryBuilder().online("alice/phone", *crowd)
    message = builder.send("m", 3.0)
    for device in crowd:
        builder.live(message, device, 3.1)
    gap = Witness(text="gap", device=crowd[-1], mono_ns=at_ns(41.0), missing_step="recipient_synced")
    picture = picture_of(life_of(builder), gap, replace(SCENE, audience=tuple(crowd)))
    assert sum(lane.kind == "recipient" for lane in picture.lanes) == MOST_RECIPIENTS
    assert picture.missing is not None
    assert picture.missing.lane == crowd[-1]
    assert "1992 more devices are not drawn" in legend(picture)
    assert len(draw_picture(picture)) < 60_000


def test_a_message_to_a_device_is_drawn_to_the_device_that_lacks_it(tmp_path: Path) -> None:
    """An attempt and its answer, and the dashed way to the device, which nobody has heard of it."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone").to_device("m", 3.0, "bob/phone", answers=("ok",))
    gap = Witness(text="lost", device="bob/phone", mono_ns=at_ns(41.0), missing_step="recipient_synced")
    with open_history([builder.write(tmp_path / "events")]) as history:
        picture = picture_of(trace(history, "d-m"), gap, SCENE)
    assert ways(picture) == [("alice/phone", "service:chat", False), ("service:chat", "alice/phone", False)]
    assert picture.missing is not None
    assert (picture.missing.lane, picture.missing.word) == ("bob/phone", "never got it")
    assert [dot.word for dot in picture.dots if dot.tone == "last"] == ["kept"]


def test_a_message_that_nobody_sent_has_a_picture(life_of: Callable[[HistoryBuilder], Life]) -> None:
    """It came from somewhere: the way to the device is all that there is."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    message = HistoryBuilder().send("m", 3.0)
    unsent = Witness(text="from nowhere", client_message_id="c-m", mono_ns=at_ns(3.05))
    picture = picture_of(life_of(builder.live(message, "bob/phone", 3.05)), unsent, SCENE)
    assert ways(picture) == [("service:service", "bob/phone", False)]
