"""Twins of the checks on credentials."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations

from harness.checks.oracles.facts import Facts, Judged, Key, Terms, person_of
from harness.core.events import Event

GRACE_NS = 1_000_000_000
REFRESHES = frozenset({"token_refresh_started", "token_refreshed", "token_refresh_failed"})
COMMANDS = {"token.expire": "expired", "token.revoke": "revoked"}

End = tuple[str, str, int, str]
"""Device, credential, the moment from which it was surely no longer good, and how it ended."""


def token_validity(facts: Facts, _: Terms) -> Judged:
    """Nothing is accepted with a credential that is no longer good."""
    dead: dict[tuple[str, str], tuple[int, str]] = {}
    for device, credential, ended_ns, how in _ends(facts):
        key = (device, credential)
        if key not in dead or ended_ns < dead[key][0]:
            dead[key] = (ended_ns, how)
    tried, keys = 0, set[Key]()
    for send in facts.sends.values():
        begun = [(attempt.device or "", attempt.started_ns) for attempt in send.attempts]
        tried += any(one == device and end[0] < at_ns for device, at_ns in begun for (one, _), end in dead.items())
        broken = []
        for attempt in send.attempts:
            end = dead.get((attempt.device or "", attempt.credential_ref or ""))
            if end and end[0] < attempt.started_ns and attempt.accepted_ns is not None:
                broken.append((attempt.started_ns, end[1]))
        if broken:
            kind = min(broken)[1]
            keys.add((kind, send.client_message_id, send.message_id or "", send.started.device or ""))
    return Judged(exercised=tried, keys=frozenset(keys))


def _ends(facts: Facts) -> Iterator[End]:
    held = _held(facts)
    for event in facts.events:
        kind = str((event.detail or {}).get("kind"))
        if event.event == "fault_commanded" and kind in COMMANDS:
            began_ns = int((event.detail or {}).get("began_ns", event.mono_ns))
            for (device, credential), (issued_ns, _) in held.items():
                if person_of(device) == event.recipient and issued_ns < began_ns:
                    yield device, credential, event.mono_ns, COMMANDS[kind]
    for event in facts.witnessed:
        if event.event in {"token_expired", "token_rejected"} and event.device and event.credential_ref:
            yield event.device, event.credential_ref, event.mono_ns, "refused"
    if any(window.kind == "clock.server" for window in facts.windows):
        return
    for (device, credential), (_, expires_ns) in held.items():
        if expires_ns is not None:
            yield device, credential, expires_ns + GRACE_NS, "expired"


def _held(facts: Facts) -> dict[tuple[str, str], tuple[int, int | None]]:
    """When a device first had each credential, and when its time is over as far as that was told."""
    found: dict[tuple[str, str], tuple[int, int | None]] = {}
    for event in facts.witnessed:
        if event.event in {"token_issued", "token_refreshed"} and event.device and event.credential_ref:
            key = (event.device, event.credential_ref)
            issued_ns, expires_ns = found.get(key, (event.mono_ns, None))
            told = [one for one in (expires_ns, _expiry(event)) if one is not None]
            found[key] = (issued_ns, min(told, default=None))
    return found


def _expiry(event: Event) -> int | None:
    life_s = (event.detail or {}).get("expires_in_s")
    return None if life_s is None else event.mono_ns + round(float(life_s) * 1e9)


def refresh_discipline(facts: Facts, terms: Terms) -> Judged:
    """A token is refreshed once for all that wait for it, and each message is sent again once."""
    if terms.client != "naive":
        return Judged(exercised=0)
    keys: set[Key] = set()
    started = 0
    for device in sorted({event.device for event in facts.witnessed if event.device}):
        own = [event for event in facts.witnessed if event.device == device and event.event in REFRESHES]
        own.sort(key=lambda event: (event.mono_ns, event.event != "token_refresh_started", event.writer, event.seq))
        under_way = 0
        for event in own:
            under_way += 1 if event.event == "token_refresh_started" else -1
            if event.event == "token_refresh_started":
                started += 1
                if under_way > 1:
                    keys.add(("stampede", "", "", device))
        renewed = [event.mono_ns for event in own if event.event == "token_refreshed"]
        keys |= {("sent_twice", _least_id(facts, origin), "", device) for origin in _twice(facts, device, renewed)}
    return Judged(exercised=started, keys=frozenset(keys))


def _twice(facts: Facts, device: str, renewed: list[int]) -> set[str]:
    """Operations of which two attempts began after one refresh, the second before the first had failed."""
    found = set()
    for index, since_ns in enumerate(renewed):
        until_ns = renewed[index + 1] if index + 1 < len(renewed) else math.inf
        tried = [
            (send.origin, attempt)
            for send in facts.sends.values()
            for attempt in send.attempts
            if attempt.device == device and since_ns < attempt.started_ns <= until_ns
        ]
        for (origin, first), (other, second) in permutations(tried, 2):
            unanswered = first.failed_ns is None or first.failed_ns > second.started_ns
            if origin == other and first.started_ns < second.started_ns and unanswered:
                found.add(origin)
    return found


def _least_id(facts: Facts, origin: str) -> str:
    return min(send.client_message_id for send in facts.sends.values() if send.origin == origin)
