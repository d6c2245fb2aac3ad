"""Twins of the checks on retries: of the push worker, and of clients with defects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.checks.oracles.facts import Facts, Judged, Key, Terms
from harness.checks.oracles.pushes import Request
from harness.checks.oracles.sends import Attempt, Send

SECOND_NS = 1_000_000_000
EARLY_NS = 50_000_000
STORM = 10
MOST = 20
ENOUGH_GAPS = 6
PUSH_STILL_NS = 250_000_000
CLIENT_STILL_NS = 120_000_000
ENOUGH_FIRSTS = 8
FIRST_NS = 100_000_000

Tried = tuple[Attempt, Send]


def retry_policy(facts: Facts, terms: Terms) -> Judged:
    """Retries wait, grow, spread, end and keep their name."""
    chains = _chains(facts)
    keys = {
        (kind, facts.names.get(asked.message_id, ""), asked.message_id, asked.device or "")
        for chain in chains
        for kind, asked in _of_worker(facts, chain)
    }
    keys |= set(_without_jitter(facts, chains))
    retries = sum(len(chain) - 1 for chain in chains)
    if terms.client != "outbox":
        tries = _tries(facts)
        keys |= {key for tried in tries for key in _of_client(tried)} | set(_renamed(facts))
        retries += sum(len(tried) - 1 for tried in tries)
    return Judged(exercised=retries, keys=frozenset(keys))


def _chains(facts: Facts) -> list[list[Request]]:
    found: dict[tuple[str, str], list[Request]] = defaultdict(list)
    for asked in facts.requests:
        if asked.push_ref is not None:
            found[asked.message_id, asked.push_ref].append(asked)
    return list(found.values())


def _of_worker(facts: Facts, chain: Sequence[Request]) -> Iterator[tuple[str, Request]]:
    for before, after in pairwise(chain):
        asked_ms = before.retry_after_ms
        if asked_ms is not None and after.started_ns - before.ended_ns < asked_ms * 1_000_000 - EARLY_NS:
            yield "too_soon", after
        final = not before.retryable and not before.unregistered
        if final and not _excused(facts, before.started_ns, after.ended_ns):
            yield "retried_final", after
    for number, after in enumerate(chain, start=1):
        if number > STORM and after.started_ns - chain[number - 1 - STORM].started_ns < SECOND_NS:
            yield "storm", after
        if number > MOST:
            yield "endless", after
    if _still(facts, chain):
        yield "no_backoff", _least_device(chain)


def _excused(facts: Facts, from_ns: int, to_ns: int) -> bool:
    held_up = any(begun <= to_ns and ended >= from_ns for begun, ended in facts.stalls())
    return held_up or facts.disturbed(from_ns, to_ns)


def _still(facts: Facts, chain: Sequence[Request]) -> bool:
    own = [
        (number, before, after)
        for number, (before, after) in enumerate(pairwise(chain), start=2)
        if before.retry_after_ms is None
    ]
    if len(own) < ENOUGH_GAPS:
        return False
    token = [asked for asked in facts.requests if asked.push_ref == chain[0].push_ref]
    gaps = [after.started_ns - before.ended_ns for _, before, after in own]
    later = [gap for gap, (number, _, _) in zip(gaps, own, strict=True) if number > 3]  # noqa: PLR2004 - from the third gap on
    clean = all(token.index(after) - token.index(before) == 1 for _, before, after in own)
    return bool(later and max(later) < PUSH_STILL_NS) or (clean and max(gaps) < 2 * min(gaps))


def _least_device(chain: Sequence[Request]) -> Request:
    return min(chain[1:], key=lambda asked: (asked.device is None, asked.device or ""))


def _without_jitter(facts: Facts, chains: Sequence[Sequence[Request]]) -> Iterator[Key]:
    firsts = [chain[:2] for chain in chains if len(chain) > 1 and chain[0].retry_after_ms is None]
    gaps = [after.started_ns - before.ended_ns for before, after in firsts]
    if len(gaps) >= ENOUGH_FIRSTS and max(gaps) >= FIRST_NS and max(gaps) - min(gaps) < max(gaps) // 20:
        message_id = min(firsts, key=lambda pair: pair[1].ended_ns)[0].message_id
        yield "no_jitter", facts.names.get(message_id, ""), message_id, ""


def _tries(facts: Facts) -> list[list[Tried]]:
    found: dict[str, list[Tried]] = defaultdict(list)
    for send in facts.sends.values():
        found[send.origin] += [(attempt, send) for attempt in send.attempts]
    return [sorted(own, key=lambda one: (one[0].started_ns, one[0].number, one[1].op)) for own in found.values()]


def _of_client(tried: Sequence[Tried]) -> Iterator[Key]:
    gaps = []
    for number, ((before, _), (after, send)) in enumerate(pairwise(tried), start=2):
        gap_ns = None if before.failed_ns is None else after.started_ns - before.failed_ns
        asked_ms = before.retry_after_ms
        if gap_ns is not None and asked_ms is not None and gap_ns < asked_ms * 1_000_000 - EARLY_NS:
            yield _key("client_too_soon", send, after.device)
        if number > STORM and after.started_ns - tried[number - 1 - STORM][0].started_ns < SECOND_NS:
            yield _key("client_storm", send, after.device)
        if gap_ns is not None and asked_ms is None:
            gaps.append((number, gap_ns, after, send))
    later = [gap_ns for number, gap_ns, _, _ in gaps if number > 3]  # noqa: PLR2004 - from the third gap on
    if len(gaps) >= ENOUGH_GAPS and later and max(later) < CLIENT_STILL_NS:
        send = min((send for _, _, _, send in gaps), key=lambda one: one.op)
        devices = [after.device for _, _, after, _ in gaps if after.device]
        yield _key("client_no_backoff", send, min(devices, default=None))


def _renamed(facts: Facts) -> Iterator[Key]:
    for send in facts.sends.values():
        same = [one for one in facts.sends.values() if one.origin == send.origin]
        if send.renamed and send is not min(same, key=lambda one: (one.started_ns, one.op)):
            yield _key("client_new_id", send, send.started.device)


def _key(kind: str, send: Send, device: str | None) -> Key:
    return kind, send.client_message_id, send.message_id or "", device or ""
