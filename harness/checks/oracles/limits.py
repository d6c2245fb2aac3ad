"""Twin of the check on rate limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.checks.oracles.facts import Facts, Judged, Key, Terms
from harness.checks.oracles.sends import Attempt, Send
from harness.core.events import Event

SECOND_NS = 1_000_000_000
TOO_MANY = 429
SPANS_S = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit while it was surely in force."""

    from_ns: int
    to_ns: int
    per_user: float | None
    overall: float | None


@dataclass(frozen=True, slots=True)
class Taken:
    """One message that was surely taken between two moments."""

    send: Send
    from_ns: int
    to_ns: int


def limits_honoured(facts: Facts, _: Terms) -> Judged:
    """Limits are enforced, announced and fair."""
    limits = list(_limits(facts))
    refusals = [event for event in facts.witnessed if _refused(event)]
    named = {(event.op or event.client_message_id, event.attempt or 1) for event in refusals}
    within = sum(
        any(limit.from_ns <= attempt.started_ns <= limit.to_ns for limit in limits)
        and (send.op, attempt.number) not in named
        for send in facts.sends.values()
        for attempt in send.attempts
    )
    keys = {key for limit in limits for key in _exceeded(limit, _surely_taken(facts))}
    for event in refusals:
        key = (event.client_message_id or "", "", event.device or "")
        if (event.retry_after_ms or 0) <= 0:
            keys.add(("unannounced", *key))
        if any(_unfair(facts, limit, event) for limit in limits):
            keys.add(("unfair", *key))
    return Judged(exercised=len(refusals) + within, keys=frozenset(keys))


def _refused(event: Event) -> bool:
    limited = event.http_status == TOO_MANY or event.error_code == "rate_limited"
    return event.event == "client_send_failed" and event.outcome == "fail" and limited


def _limits(facts: Facts) -> Iterator[Limit]:
    end_ns = facts.events[-1].mono_ns
    for fault in sorted({event.fault for event in facts.events if event.fault}):
        read = [event for event in facts.events if event.fault == fault and event.event == "fault_installed"]
        read = [event for event in read if (event.detail or {}).get("kind") == "rate_limit.lower"]
        if read:
            from_ns = read[0].mono_ns
            ends = [
                one.healed_ns - SECOND_NS for one in facts.windows if one.fault == fault and one.healed_ns is not None
            ]
            ends += [
                round(one.begun_ns)
                for one in facts.windows
                if one.kind.startswith("process.")
                and one.begun_ns < float("inf")
                and (one.healed_ns is None or one.healed_ns >= from_ns)
            ]
            yield Limit(from_ns, min([*ends, end_ns]), _rate(read, "per_user"), _rate(read, "overall"))


def _rate(read: list[Event], name: str) -> float | None:
    found = [float(event.detail[name]) for event in read if event.detail and name in event.detail]
    return min(found, default=None)


def _surely_taken(facts: Facts) -> list[Taken]:
    found = []
    for send in facts.sends.values():
        for own in send.attempts:
            earlier = [one for one in send.attempts if one is not own and one.started_ns < own.started_ns]
            sure = own.accepted_ns == send.accepted_ns and all(one.outcome == "fail" for one in earlier)
            if sure and own.accepted_ns is not None and own.accepted_ns >= own.started_ns:
                found.append(Taken(send, own.started_ns, own.accepted_ns))
    return found


def _exceeded(limit: Limit, taken: list[Taken]) -> Iterator[Key]:
    inside = [one for one in taken if one.from_ns >= limit.from_ns]
    if limit.per_user is not None:
        for person in {one.send.started.sender for one in inside} - {None}:
            mine = [one for one in inside if one.send.started.sender == person]
            yield from _over("exceeded", limit, limit.per_user, mine)
    if limit.overall is not None:
        yield from _over("exceeded_overall", limit, limit.overall, inside)


def _over(kind: str, limit: Limit, rate: float, taken: list[Taken]) -> Iterator[Key]:
    for first in sorted(taken, key=lambda one: (one.from_ns, one.send.op)):
        for span_s in SPANS_S:
            until = min(first.from_ns + round(span_s * 1e9), limit.to_ns)
            count = sum(one.from_ns >= first.from_ns and one.to_ns <= until for one in taken)
            if count > rate * span_s + max(rate, 1) + 1:
                send = first.send
                yield kind, send.client_message_id, send.message_id or "", send.started.device or ""
                return


def _unfair(facts: Facts, limit: Limit, refusal: Event) -> bool:
    own = _attempt(facts, refusal)
    if own is None or refusal.sender is None or limit.per_user is None or limit.overall is not None:
        return False
    if own.started_ns < limit.from_ns or refusal.mono_ns > limit.to_ns:
        return False
    since_ns = own.started_ns - round(1e9 * max(1.0, 2 / limit.per_user))
    others = [
        one
        for send in facts.sends.values()
        for one in send.attempts
        if send.started.sender == refusal.sender and one is not own
    ]
    return not any(one.started_ns <= refusal.mono_ns and _ended_ns(one, refusal) >= since_ns for one in others)


def _attempt(facts: Facts, event: Event) -> Attempt | None:
    send = facts.sends.get(event.op or event.client_message_id or "")
    return next((one for one in send.attempts if one.number == (event.attempt or 1)), None) if send else None


def _ended_ns(attempt: Attempt, refusal: Event) -> int:
    ends = (attempt.accepted_ns, attempt.failed_ns, refusal.mono_ns)
    return next(end for end in ends if end is not None)
