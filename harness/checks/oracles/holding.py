"""Twin of the check on what a client program is good for."""

from __future__ import annotations

from harness.checks.oracles.facts import Facts, Judged, Terms


def client_holds(facts: Facts, terms: Terms) -> Judged:
    """The client under test stays up, and forgets nothing that its user wrote."""
    if terms.client != "none":
        return Judged(exercised=0)
    forgotten = {
        ("forgotten", event.client_message_id or event.op or "", "", event.device or "")
        for event in facts.witnessed
        if event.event == "client_send_failed" and event.error_code == "forgotten"
    }
    broken = {
        (event.error_code or "", "", "", event.device or "")
        for event in facts.witnessed
        if event.event == "client_broken"
    }
    return Judged(exercised=len({send.origin for send in facts.sends.values()}), keys=frozenset(forgotten | broken))
