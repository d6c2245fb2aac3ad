"""What the simulators of push providers have in common: deciding, recording and counting one push."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from harness.core.clock import Clock, SystemClock
from harness.core.digests import secret_ref
from harness.core.seeds import Seed
from harness.history.recorder import Recorder
from harness.providers.api import PushRule
from harness.providers.received import Received
from harness.providers.rules import Rules
from harness.providers.settings import Settings

SHOWN_AFTER_S = 0.02
"""From the answer to the moment at which the device shows the notification."""
THROTTLED_FOR_S = 1.0
"""What a throttled answer asks for when its rule does not say."""
TAKEN = frozenset({"accepted", "accepted_never_shown"})


@dataclass(frozen=True, slots=True)
class Push:
    """One push to one token, understood; ``others`` are the names of fields that have no business there."""

    token: str
    device: str
    message_id: str
    conversation_id: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """How a push is answered: by what name, and with which wish for time (whole seconds, as the header wants them)."""

    name: str
    retry_after_s: int | None
    request_id: str
    headers: Mapping[str, str]


class Desk:
    """Answers pushes by the rules in force and records each as an event."""

    def __init__(
        self,
        answers: tuple[str, ...],
        settings: Settings,
        recorder: Recorder,
        seed: Seed,
        clock: Clock | None = None,
    ) -> None:
        self.rules = Rules(answers, seed)
        self.received = Received()
        self._recorder = recorder
        self._key = settings.key
        self._provider = settings.provider
        self._clock = clock or SystemClock()
        self._shown_later: dict[asyncio.TimerHandle, dict[str, Any]] = {}

    def decide(self, device: str) -> Answer:
        """Decide how a push to this device is answered."""
        rule = self.rules.decide(device)
        name = "accepted" if rule is None else rule.answer
        retry_after_s = _retry_after_s(name, rule)
        as_date = rule is not None and rule.retry_after_form == "date"
        headers = _headers(retry_after_s, self._clock.wall_ns() / 1e9 if as_date else None)
        return Answer(name, retry_after_s, f"up-{secrets.token_hex(8)}", headers)

    def settle(self, push: Push, answer: Answer, status: int | None) -> None:
        """Record a push as answered with ``status`` (None: not at all); what is accepted is shown a moment later."""
        push_ref = secret_ref(self._key, push.token)
        facts: dict[str, Any] = {
            "device": push.device,
            "message_id": push.message_id,
            "conversation_id": push.conversation_id,
            "push_ref": push_ref,
            "provider": self._provider,
            "request_id": answer.request_id,
        }
        self._recorder.record(
            "push_sent" if answer.name in TAKEN else "push_failed",
            **facts,
            attempt=self.received.attempt(push_ref, push.message_id),
            provider_answer=answer.name,
            http_status=status,
            retry_after_ms=None if answer.retry_after_s is None else answer.retry_after_s * 1000,
            detail={"unexpected_fields": ",".join(push.others)} if push.others else None,
        )
        self.received.answered(push_ref, push.device, answer.name)
        if answer.name == "accepted":
            self._show_later(facts)

    def finish(self) -> None:
        """Show what was about to be shown."""
        for handle, facts in self._shown_later.items():
            handle.cancel()
            self._recorder.record("push_displayed", **facts)

    def _show_later(self, facts: dict[str, Any]) -> None:
        def show() -> None:
            del self._shown_later[handle]
            self._recorder.record("push_displayed", **facts)

        handle = asyncio.get_running_loop().call_later(SHOWN_AFTER_S, show)
        self._shown_later[handle] = facts


def _retry_after_s(answer: str, rule: PushRule | None) -> int | None:
    """Whole seconds, as the header wants them (RFC 9110, 10.2.3)."""
    asked = None if rule is None else rule.retry_after_s
    if answer == "throttled" and asked is None:
        asked = THROTTLED_FOR_S
    return max(1, math.ceil(asked)) if asked is not None and answer in {"throttled", "server_error"} else None


def _headers(retry_after_s: int | None, now_s: float | None) -> dict[str, str]:
    """Return the wish for time in seconds, or as a date when ``now_s`` is given, which is never too early."""
    if retry_after_s is None:
        return {}
    if now_s is None:
        return {"Retry-After": str(retry_after_s)}
    until_s = math.ceil(now_s) + retry_after_s
    return {"Date": formatdate(now_s, usegmt=True), "Retry-After": formatdate(until_s, usegmt=True)}
