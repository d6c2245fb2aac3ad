"""Which lanes a message's picture has: its path from the sender's device to those of its audience, top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.core.events import SENDING, Event
from harness.core.results import FaultResult, Witness
from harness.core.stack import base_link
from harness.history.trace import Life
from harness.report.html.loglines import LogLine
from harness.report.html.picture import Lane

MOST_RECIPIENTS = 8
ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Scene:
    """What surrounds a life: edges of devices, who had to get it, what services wrote, when the truth was read."""

    links: Mapping[str, str]
    audience: tuple[str, ...]
    said: tuple[LogLine, ...]
    read_ns: int | None
    faults: Mapping[str, FaultResult]
    colours: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of one picture, and those that parts of the path are drawn on."""

    all: tuple[Lane, ...]
    sender: str
    link: str
    service: str
    hidden: int

    def has(self, key: str) -> bool:
        """Tell whether a lane is drawn."""
        return any(lane.key == key for lane in self.all)

    def of(self, event: Event) -> str:
        """Return the lane on which an event was seen."""
        if event.observer == "oracle":
            return ARCHIVE
        if event.observer == "provider":
            return f"provider:{event.provider or 'push'}"
        if event.observer == "service":
            return self.service
        return event.device or self.sender

    def on(self, target: str) -> tuple[str, ...]:
        """Return the lanes that a fault's target stands for; a person stands for all of their devices."""
        keys = (lane.key for lane in self.all)
        return tuple(key for key in keys if _concerns(key, target))


def lanes_of(life: Life, scene: Scene, witness: Witness) -> Lanes:
    """Choose the lanes: devices beyond the first few are left out and counted, never the one that is complained of."""
    sender = _sending_device(life)
    link = _link_of(sender, life, scene)
    service = link.partition("->")[2] or "service"
    shown, hidden = _recipients(life, scene, witness, sender)
    lanes = [
        Lane(sender, "sender", sender, "sends"),
        Lane(link, "link", link, "proxy"),
        Lane(f"service:{service}", "service", service, "service"),
        Lane(ARCHIVE, "archive", "archive", "read at the end"),
        *_providers(life),
        *_receiving(shown, link, life, scene),
    ]
    unique = {lane.key: lane for lane in reversed(lanes)}
    ordered = [unique[key] for key in dict.fromkeys(lane.key for lane in lanes)]
    return Lanes(tuple(ordered), sender, link, f"service:{service}", hidden)


def _sending_device(life: Life) -> str:
    started = (event.device for event in life.events if event.event in SENDING and event.device)
    return next(started, life.sender or "sender")


def _link_of(device: str, life: Life, scene: Scene) -> str:
    used = (event.link for event in life.events if event.device == device and event.link)
    return next(used, None) or scene.links.get(device) or "client->service"


def _recipients(life: Life, scene: Scene, witness: Witness, sender: str) -> tuple[list[str], int]:
    met = [event.device for event in life.events if event.device and event.observer in {"client", "wire"}]
    known = [device for device in dict.fromkeys([*scene.audience, *met]) if device != sender]
    person = sender.partition("/")[0]
    known.sort(key=lambda device: (device != witness.device, device.partition("/")[0] == person, device))
    shown = known[:MOST_RECIPIENTS]
    shown.sort(key=lambda device: (device.partition("/")[0] == person, device))
    return shown, len(known) - len(shown)


def _providers(life: Life) -> list[Lane]:
    names = dict.fromkeys(event.provider or "push" for event in life.events if event.observer == "provider")
    return [Lane(f"provider:{name}", "provider", name, "provider") for name in names]


def _receiving(devices: list[str], sent_over: str, life: Life, scene: Scene) -> list[Lane]:
    """A device's own edge is drawn above it only where a fault lay on it."""
    targets = {window.target for window in life.faults}
    lanes = []
    for device in devices:
        link = scene.links.get(device, sent_over)
        if link != sent_over and any(_concerns(link, target) for target in targets):
            lanes.append(Lane(link, "link", link, "proxy"))
        lanes.append(Lane(device, "recipient", device, "receives"))
    return lanes


def _concerns(key: str, target: str) -> bool:
    bare = key.partition(":")[2] if key.startswith(("service:", "provider:")) else key
    if "->" in key:
        return target in {key, base_link(key)}
    return target in {bare, bare.partition("/")[0]}
