"""What the twins know of faults: when each was in place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.events import Event


@dataclass(frozen=True, slots=True)
class Window:
    """One fault from its command (or, failing that, its read-back) to its healing."""

    fault: str
    kind: str
    target: str
    begun_ns: float
    healed_ns: int | None


def windows_of(events: Sequence[Event]) -> list[Window]:
    """Return the faults of a run; one that nobody saw begin is in place at no time."""
    said: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.fault and event.event.startswith("fault_"):
            said[event.fault].append(event)
    return [_window(fault, own) for fault, own in said.items()]


def _window(fault: str, events: Sequence[Event]) -> Window:
    kinds = [str(event.detail["kind"]) for event in events if event.detail and "kind" in event.detail]
    targets = [target for event in events if (target := _target(event))]
    begun = _times(events, "fault_commanded") or _times(events, "fault_installed")
    return Window(
        fault=fault,
        kind=max(kinds, default=""),
        target=max(targets, default=""),
        begun_ns=min(begun, default=float("inf")),
        healed_ns=max(_times(events, "fault_healed"), default=None),
    )


def _target(event: Event) -> str | None:
    named = (
        event.link,
        event.service,
        event.provider,
        event.device,
        event.recipient,
        (event.detail or {}).get("target"),
    )
    return next((str(name) for name in named if name is not None), None)


def _times(events: Sequence[Event], name: str) -> list[int]:
    return [event.mono_ns for event in events if event.event == name]
