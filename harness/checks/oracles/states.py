"""Twin of the check on transitions; it reads the same table of rules, in ``harness.core.axes``."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.oracles.facts import Facts, Judged, Key, Terms, person_of
from harness.checks.oracles.sends import Send
from harness.core.axes import PRECEDENCES, Precedence
from harness.core.events import Event

RECEIPTS = frozenset({"delivery_receipt_received", "read_receipt_received"})
RECEIVED = frozenset({"recipient_online_delivered", "recipient_synced"})


def transitions(facts: Facts, _: Terms) -> Judged:
    """No state of a message comes before the state that it needs."""
    moved = {facts.message(event) for event in facts.deliveries}
    moved |= {facts.client_id(event) for event in facts.witnessed if event.event in RECEIPTS | {"message_read"}}
    accepted = [send for send in facts.sends.values() if send.accepted_ns is not None]
    rules = [rule for rule in PRECEDENCES if rule.check == "transitions"]
    keys = {key for rule in rules for key in _broken(facts, rule)}
    keys |= {key for send in facts.sends.values() for key in _revived(facts, send)}
    return Judged(exercised=sum(send.client_message_id in moved for send in accepted), keys=frozenset(keys))


def _broken(facts: Facts, rule: Precedence) -> Iterator[Key]:
    earlier = [event for event in facts.witnessed if event.event in rule.earlier and facts.message(event)]
    recorded = {_who(event, rule) for event in earlier}
    found: dict[tuple[str, str, str], list[str]] = {}
    for event in facts.witnessed:
        name, who = facts.message(event), _who(event, rule)
        if event.event != rule.later or not name or not who or _own(facts, event, rule):
            continue
        before = any(
            facts.message(one) == name and _who(one, rule) == who and one.mono_ns <= event.mono_ns for one in earlier
        )
        if not before and (who in recorded or not rule.if_recorded):
            found.setdefault((name, event.device or "", who), []).append(event.message_id or "")
    for (name, device, _), ids in found.items():
        send = facts.by_client_id.get(name)
        yield (rule.id, send.client_message_id if send else "", min(ids), device)


def _own(facts: Facts, event: Event, rule: Precedence) -> bool:
    """Whoever sent a message has it without receiving it."""
    send = facts.by_client_id.get(facts.message(event) or "")
    if send is None:
        return False
    return event.device == send.started.device if rule.scope == "device" else _who(event, rule) == send.started.sender


def _who(event: Event, rule: Precedence) -> str | None:
    if rule.scope == "device":
        return event.device
    if event.event in RECEIPTS:
        return event.sender
    return person_of(event.device) if event.device else None


def _revived(facts: Facts, send: Send) -> Iterator[Key]:
    mine = [event for event in facts.witnessed if (event.op or event.client_message_id) == send.op]
    refusals = [event.mono_ns for event in mine if _final_refusal(event)]
    if not refusals:
        return
    refused = max(refusals)
    for event in mine:
        if event.event == "server_accepted" and event.mono_ns > refused:
            again = any(refused < attempt.started_ns <= event.mono_ns for attempt in send.attempts)
            if not again:
                yield (
                    "accepted_after_refusal",
                    send.client_message_id,
                    send.message_id or "",
                    send.started.device or "",
                )


def _final_refusal(event: Event) -> bool:
    final = (event.detail or {}).get("final") is True
    return event.event == "client_send_failed" and event.outcome == "fail" and final
