"""What load tools want to know, second by second: how long things took, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from harness.core.clock import Clock
from harness.core.events import Event
from harness.swarm.histogram import Histogram

NS_PER_MS = 1_000_000
FORGET_AFTER_NS = 60_000_000_000
"""What has not arrived by then is for the checks, not for a curve of latencies."""
_OF_CONNECTIONS = ("person_online", "person_offline", "connection_opened", "connection_lost", "sync_completed")


class Tally:
    """Follows the events of one swarm; a send's time runs from when it was due, so that no wait is left out.

    ``send`` ends with the service's acknowledgement, ``deliver`` with the message on a live connection of its
    recipient, ``connect`` is from the wish to be online to the open connection, ``sync`` from that to the end of the
    first sync on it. What was sent by another process, as to a group that several play, is counted without a time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_ns: dict[str | None, int] = {}
        self._since_ns: dict[str, int] = {}
        self._opened_ns: dict[str, int] = {}
        self._times: dict[str, Histogram] = {}
        self._untimed: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        taker: Callable[[Event], None] = self._connection
        self._takers = dict.fromkeys(_OF_CONNECTIONS, taker) | {
            "client_send_started": self._started,
            "server_accepted": self._accepted,
            "client_send_failed": self._failed,
            "recipient_online_delivered": self._delivered,
        }

    def see(self, fact: Event) -> None:
        """Take one recorded event."""
        if fact.event in self._takers:
            self._takers[fact.event](fact)

    def take(self) -> dict[str, Any] | None:
        """Return what there was since the last time, as plain data; None when there was nothing."""
        times, self._times = self._times, {}
        failures, self._failures = self._failures, Counter()
        untimed, self._untimed = self._untimed, Counter()
        self._forget()
        if not (times or failures or untimed):
            return None
        return {
            "times": {name: {"counts": found.counts, "max_ms": found.longest_ms} for name, found in times.items()},
            "untimed": dict(untimed),
            "failures": [[name, code, count] for (name, code), count in failures.items()],
        }

    def _started(self, fact: Event) -> None:
        if fact.attempt == 1:
            self._due_ns[fact.client_message_id] = fact.intended_ns or fact.mono_ns

    def _accepted(self, fact: Event) -> None:
        self._took("send", self._due_ns.get(fact.client_message_id), fact)

    def _failed(self, fact: Event) -> None:
        self._failures["send", str(fact.error_code)] += 1

    def _delivered(self, fact: Event) -> None:
        due_ns = self._due_ns.get(fact.client_message_id)
        if due_ns is None:
            self._untimed["deliver"] += 1
        else:
            self._took("deliver", due_ns, fact)

    def _connection(self, fact: Event) -> None:
        device = str(fact.device)
        match fact.event:
            case "person_online":
                self._since_ns[device] = fact.mono_ns
            case "person_offline":
                self._since_ns.pop(device, None)
            case "connection_opened":
                self._took("connect", self._since_ns.pop(device, None), fact)
                self._opened_ns[device] = fact.mono_ns
            case "sync_completed":
                self._took("sync", self._opened_ns.pop(device, None), fact)
            case _:
                self._lost(device, fact)

    def _lost(self, device: str, fact: Event) -> None:
        if fact.detail and fact.detail.get("clean"):
            return
        self._failures["connect", str(fact.error_code)] += 1
        self._since_ns.setdefault(device, fact.mono_ns)

    def _took(self, name: str, since_ns: int | None, fact: Event) -> None:
        if since_ns is None:
            return
        times = self._times.get(name)
        if times is None:
            times = self._times[name] = Histogram()
        times.note((fact.mono_ns - since_ns) / NS_PER_MS)

    def _forget(self) -> None:
        """Drop the oldest sends, which stand first."""
        before_ns = self._clock.mono_ns() - FORGET_AFTER_NS
        old = []
        for name, due_ns in self._due_ns.items():
            if due_ns >= before_ns:
                break
            old.append(name)
        for name in old:
            del self._due_ns[name]
