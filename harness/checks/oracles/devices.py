"""Twin of the check on messages to single devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.checks.oracles.facts import Facts, Judged, Key, Terms
from harness.core.events import Event

DECIDED = frozenset({"altered", "late", "lost", "there"})
BROKEN = DECIDED - {"there"}


@dataclass(slots=True)
class _Mail:
    """One message to a device, with everything that was recorded of it."""

    id: str
    starts: list[Event] = field(default_factory=list)
    accepts: list[Event] = field(default_factory=list)
    arrivals: list[Event] = field(default_factory=list)
    confirmations: list[Event] = field(default_factory=list)

    @property
    def device(self) -> str:
        """Which it is for."""
        return min(str((event.detail or {})["to"]) for event in (*self.starts, *self.accepts))

    @property
    def digest(self) -> str | None:
        """Of what was sent."""
        return min((event.body_digest for event in self.starts if event.body_digest is not None), default=None)

    @property
    def accepted_ns(self) -> int:
        """When the service first said that it has it."""
        return self.accepts[0].mono_ns

    @property
    def here(self) -> list[Event]:
        """Its arrivals at the device that it is for."""
        return [event for event in self.arrivals if event.device == self.device]

    @property
    def first_ns(self) -> int | None:
        """When it was first there."""
        return min((event.mono_ns for event in self.here), default=None)

    @property
    def altered(self) -> bool:
        """Whether it came with another body."""
        both = [event.body_digest for event in self.here if None not in (event.body_digest, self.digest)]
        return any(digest != self.digest for digest in both)


def to_device(facts: Facts, terms: Terms) -> Judged:
    """A message to a device is kept until the device has confirmed it, and comes no more after that."""
    if not any(event.event == "to_device_accepted" for event in facts.events):
        return Judged(exercised=0)
    kept = [mail for mail in _mail(facts) if mail.starts and mail.accepts and not _forgotten(facts, mail)]
    fates = [(_fate(facts, terms, mail), mail) for mail in kept]
    broken: set[Key] = {(fate, mail.id, "", mail.device) for fate, mail in fates if fate in BROKEN}
    again: set[Key] = {("again", mail.id, "", mail.device) for mail in kept if _again(mail)}
    return Judged(
        exercised=sum(fate in DECIDED for fate, _ in fates),
        undecided=sum(fate in {"excused", "unknown"} for fate, _ in fates),
        keys=frozenset(broken | again),
    )


def _mail(facts: Facts) -> Iterator[_Mail]:
    found: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in facts.witnessed:
        if event.event.startswith("to_device") and event.client_message_id is not None:
            found[event.client_message_id][event.event].append(event)
    for name, told in found.items():
        starts, accepts = (list(filter(_addressed, told[f"to_device_{step}"])) for step in ("send_started", "accepted"))
        yield _Mail(name, starts, accepts, told["to_device_arrived"], told["to_device_confirmed"])


def _addressed(event: Event) -> bool:
    return bool(event.detail and "to" in event.detail)


def _forgotten(facts: Facts, mail: _Mail) -> bool:
    """Whether the device has logged in afresh before it came: to many services that is another device."""
    return any(
        event.event == "token_issued"
        and event.device == mail.device
        and event.mono_ns > mail.starts[0].mono_ns
        and (mail.first_ns is None or event.mono_ns < mail.first_ns)
        for event in facts.witnessed
    )


def _fate(facts: Facts, terms: Terms, mail: _Mail) -> str:
    first_ns, synced_ns = mail.first_ns, _finally_synced_ns(facts, mail.device)
    if mail.altered:
        return "altered"
    if first_ns is None and synced_ns is not None and mail.accepted_ns + (terms.deliver_within_ns or 0) <= synced_ns:
        return "lost"
    if (owed := _owed(facts, terms, mail)) and (first_ns is None or first_ns > owed[1]):
        stalled = any(start <= owed[1] and end >= owed[0] for start, end in facts.stalls())
        return "excused" if stalled else "late"
    if first_ns is None:
        return "unknown" if synced_ns is None else "not_due"
    return "there"


def _finally_synced_ns(facts: Facts, device: str) -> int | None:
    ends = [
        event.mono_ns
        for event in facts.witnessed
        if (event.event, event.phase, event.device) == ("sync_completed", "final", device)
    ]
    return max(ends, default=None)


def _owed(facts: Facts, terms: Terms, mail: _Mail) -> tuple[int, int] | None:
    """Since when a connection that lasted could bring it, and by when it had to."""
    if terms.deliver_within_ns is None:
        return None
    base_ns = max(mail.accepted_ns, facts.calm_ns)
    since = [
        max(base_ns, link.opened_ns)
        for link in facts.connections()
        if link.device == mail.device
        and link.lost_ns > base_ns
        and max(base_ns, link.opened_ns) + terms.deliver_within_ns <= min(link.lost_ns, facts.final_ns)
    ]
    return (min(since), min(since) + terms.deliver_within_ns) if since else None


def _again(mail: _Mail) -> bool:
    """Whether it came after the device had confirmed it, though its sender has sent it but once."""
    confirmed = [event.mono_ns for event in mail.confirmations if event.device == mail.device]
    if not confirmed or len({event.attempt or 1 for event in mail.starts}) > 1:
        return False
    return any(event.via == "live" and event.mono_ns > min(confirmed) for event in mail.here)
