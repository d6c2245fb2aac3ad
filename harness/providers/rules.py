"""Which answer a push gets: rules in force, decided by the seed and never by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from harness.core.seeds import Seed

Answer = Literal["accepted", "unregistered", "throttled", "server_error", "hang", "accepted_never_shown"]
ANSWERS: tuple[Answer, ...] = (
    "accepted",
    "unregistered",
    "throttled",
    "server_error",
    "hang",
    "accepted_never_shown",
)


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One answer for a device's pushes, or for a share (0..1) of all; ``retry_after_s`` goes with ``throttled``."""

    answer: Answer
    device: str | None = None
    share: float = 1.0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """One request as far as rules look at it: whose device, which message, and the how-manieth try of it."""

    device: str
    message_id: str
    attempt: int


ACCEPT = Rule("accepted")


class Rules:
    """The rules in force and how often each has answered; a removed rule's count stays."""

    def __init__(self, seed: Seed) -> None:
        self._seed = seed
        self._in_force: dict[str, Rule] = {}
        self._hits: dict[str, int] = {}

    @property
    def in_force(self) -> dict[str, Rule]:
        """The rules by id, in the order in which they were put."""
        return dict(self._in_force)

    def put(self, rule_id: str, rule: Rule) -> None:
        """Put a rule in force; one of the same id is replaced."""
        self._in_force[rule_id] = rule
        self._hits.setdefault(rule_id, 0)

    def remove(self, rule_id: str) -> None:
        """Take a rule back, if it is there."""
        self._in_force.pop(rule_id, None)

    def hits(self, rule_id: str) -> int:
        """Count what a rule has answered."""
        return self._hits.get(rule_id, 0)

    def answer(self, push: Push) -> Rule:
        """Return the first rule that applies, counting it, else the acceptance."""
        for rule_id, rule in self._in_force.items():
            if self._applies(rule_id, rule, push):
                self._hits[rule_id] += 1
                return rule
        return ACCEPT

    def _applies(self, rule_id: str, rule: Rule, push: Push) -> bool:
        if rule.device not in {None, push.device}:
            return False
        # Drawn anew for each try, so that a share of all answers is refused, not a share of the messages for ever.
        draw = self._seed.rng("rule", rule_id, push.device, push.message_id, str(push.attempt)).random()
        return draw < rule.share
