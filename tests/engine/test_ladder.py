"""How far a fault got is read from the history: every rung has its evidence, and a missing one is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.plan import FaultPlan, Start
from harness.core.results import CheckResult, FaultResult
from harness.core.verdicts import Verdict
from harness.engine.ladder import climb
from harness.history.ingest import open_history
from harness.testing.histories import HistoryBuilder, at_ns, write_events

LINK = "client->chat"
BEGAN_S, HEALED_S = 5.0, 7.0
Rungs = tuple[str, str | None]


class Story:
    """A chat with one fault, told in steps."""

    def __init__(self, folder: Path) -> None:
        self.builder = HistoryBuilder()
        self._folder = folder
        self.builder.add("connection_opened", 0.0, device="alice/phone", connection="a", link=LINK)
        self.builder.online("bob/phone")

    def commanded(self) -> None:
        """The command was taken."""
        self._rung("fault_commanded", BEGAN_S, began_ns=at_ns(BEGAN_S))

    def installed(self) -> None:
        """It was read back."""
        self._rung("fault_installed", BEGAN_S)

    def healed(self, **counted: int) -> None:
        """It was undone; ``counted`` is what the proxy saw of it."""
        self._rung("fault_healed", HEALED_S, **counted)

    def in_flight(self) -> None:
        """A message leaves before the fault and is answered after it."""
        message = self.builder.send("m", BEGAN_S - 0.1, answers=())
        self.builder.attempt(message, 1, BEGAN_S - 0.1, None).acknowledge(message, HEALED_S + 0.1)

    def torn(self) -> None:
        """Alice's connection breaks while the fault is in place."""
        self.builder.add("connection_lost", BEGAN_S + 0.1, device="alice/phone", connection="a", link=LINK)

    def climb(self, *, recovered: Verdict | None = Verdict.PASS, **plan: Any) -> FaultResult:
        """Judge it."""
        write_events(self._folder, self.builder.events())
        fault = FaultPlan("cut", "network.down", LINK, Start(at_s=4.0), 2.0, **plan)
        check = CheckResult(id="recovered", verdict=recovered, required=False, exercised=1, violations=0)
        with open_history([self._folder]) as history:
            [result] = climb(history, [fault], [check])
        return result

    def _rung(self, event: str, at_s: float, **detail: int) -> None:
        self.builder.add(
            event, at_s, fault="cut", link=LINK, observer="engine", detail={"kind": "network.down", **detail}
        )


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A chat in which nothing has happened yet."""
    return Story(tmp_path)


def told(story: Story, *steps: Callable[[], None]) -> Rungs:
    """Do the steps; return rung and gap."""
    for step in steps:
        step()
    result = story.climb()
    return result.rung, result.gap


def test_a_fault_that_never_started(story: Story) -> None:
    """Nothing on record: not commanded."""
    assert told(story, story.in_flight) == ("planned", "not_commanded")


def test_a_command_that_was_not_read_back(story: Story) -> None:
    """The answer of the API is not enough."""
    assert told(story, story.commanded, story.healed, story.in_flight) == ("commanded", "not_installed")


def test_a_fault_that_was_not_undone(story: Story) -> None:
    """Whatever else it did, it is still there."""
    steps = story.commanded, story.installed, story.in_flight, story.torn
    assert told(story, *steps) == ("installed", "not_healed")


def test_a_fault_that_nobody_noticed(story: Story) -> None:
    """Messages were under way, but no connection broke, nothing failed and the proxy counted nothing."""
    steps = story.commanded, story.installed, story.in_flight, story.healed
    assert told(story, *steps) == ("installed", "not_felt")


def test_a_fault_that_touched_no_message(story: Story) -> None:
    """A connection broke, but nothing was in flight."""
    assert told(story, story.commanded, story.installed, story.torn, story.healed) == ("felt", "vacuous")


def test_a_fault_that_climbed_the_whole_ladder(story: Story) -> None:
    """Felt by a device, across a message, undone, and the service came back."""
    steps = story.commanded, story.installed, story.in_flight, story.torn, story.healed
    assert told(story, *steps) == ("recovered", None)


def test_the_proxys_own_count_is_evidence_too(story: Story) -> None:
    """Bytes that it swallowed were felt, even if no device has said anything yet."""
    steps = story.commanded, story.installed, story.in_flight, lambda: story.healed(held_bytes=120)
    assert told(story, *steps) == ("recovered", None)


def test_a_bypass_outranks_what_was_felt(story: Story) -> None:
    """Part of the traffic never met the fault, so the run proves nothing."""
    steps = story.commanded, story.installed, story.in_flight, story.torn, lambda: story.healed(unproxied=1)
    assert told(story, *steps) == ("installed", "bypassed")


def test_what_happened_outside_the_window_is_no_evidence(story: Story) -> None:
    """A connection that broke before the fault began was not broken by it."""
    story.builder.add("connection_lost", BEGAN_S - 1.0, device="alice/phone", connection="a", link=LINK)
    steps = story.commanded, story.installed, story.in_flight, story.healed
    assert told(story, *steps) == ("installed", "not_felt")


def test_what_happened_on_another_link_is_no_evidence(story: Story) -> None:
    """Bob's connection, over another edge, broke by itself."""
    story.builder.add("connection_lost", BEGAN_S + 0.1, device="bob/phone", connection="b", link="client->other")
    steps = story.commanded, story.installed, story.in_flight, story.healed
    assert told(story, *steps) == ("installed", "not_felt")


@pytest.mark.parametrize(
    ("plan", "gap"), [({"min_exposed": 2}, "vacuous"), ({"must_see": ("rate_limited",)}, "vacuous")]
)
def test_what_the_scenario_demands_has_to_be_there(story: Story, plan: dict[str, Any], gap: str) -> None:
    """Fewer messages than asked, or an event that never came."""
    for step in (story.commanded, story.installed, story.in_flight, story.torn, story.healed):
        step()
    assert story.climb(**plan).gap == gap


@pytest.mark.parametrize(("way", "gap"), [("offline", None), ("carbon", "vacuous")])
def test_what_must_be_seen_must_come_by_the_way_that_is_demanded(story: Story, way: str, gap: str | None) -> None:
    """What came from the offline store did not come as a copy."""
    for step in (story.commanded, story.installed, story.torn, story.in_flight, story.healed):
        step()
    story.builder.add("recipient_online_delivered", HEALED_S, device="alice/phone", via="offline", message_id="m")
    assert story.climb(must_see=(f"recipient_online_delivered via {way}",)).gap == gap


def test_a_service_that_did_not_come_back(story: Story) -> None:
    """The check of recovery failed: the last rung is missing."""
    for step in (story.commanded, story.installed, story.in_flight, story.torn, story.healed):
        step()
    result = story.climb(recovered=Verdict.FAIL)
    assert (result.rung, result.gap) == ("healed", "not_recovered")


def test_exposure_counts_messages_on_their_way_to_the_target_too(tmp_path: Path) -> None:
    """A message to a person whose line is cut is exposed, though its sender's line is not."""
    builder = HistoryBuilder().online("alice/phone")
    builder.online("bob/phone").add("connection_lost", BEGAN_S, device="bob/phone", link="client:bob->chat")
    message = builder.send("m", BEGAN_S + 0.2)
    builder.sync(message, "bob/phone", HEALED_S + 0.5, (None, "1"))
    for event, at_s in (("fault_commanded", BEGAN_S), ("fault_installed", BEGAN_S), ("fault_healed", HEALED_S)):
        detail = {"kind": "network.down", "began_ns": at_ns(BEGAN_S)}
        builder.add(event, at_s, fault="cut", link="client:bob->chat", observer="engine", detail=detail)
    write_events(tmp_path, builder.events())
    plan = FaultPlan("cut", "network.down", "client:bob->chat", Start(at_s=4.0), 2.0)
    with open_history([tmp_path]) as history:
        [result] = climb(history, [plan], [])
    assert result.exposed == 1


@pytest.mark.parametrize(("link", "exposed"), [("client->chat", 1), ("client:bob->chat", 1), ("client:carol->chat", 0)])
def test_messages_to_devices_are_exposed_on_both_ways(tmp_path: Path, link: str, exposed: int) -> None:
    """On that of their sender until they are accepted, on that of their device until they are there."""
    builder = HistoryBuilder()
    for device in ("alice/phone", "bob/phone", "carol/phone"):
        own = "client->chat" if device == "alice/phone" else f"client:{device.partition('/')[0]}->chat"
        builder.add("connection_opened", 0.0, device=device, connection=device, link=own)
    builder.to_device("k", BEGAN_S, "bob/phone").for_device("k", "bob/phone", HEALED_S + 0.1)
    for event, at_s in (("fault_commanded", BEGAN_S), ("fault_installed", BEGAN_S), ("fault_healed", HEALED_S)):
        builder.add(event, at_s, fault="cut", link=link, observer="engine", detail={"began_ns": at_ns(BEGAN_S)})
    write_events(tmp_path, builder.events())
    with open_history([tmp_path]) as history:
        [result] = climb(history, [FaultPlan("cut", "network.down", link, Start(at_s=4.0), 2.0)], [])
    assert result.exposed == exposed
