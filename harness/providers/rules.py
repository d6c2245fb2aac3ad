"""Which push gets which answer: rules in force, the newest first, with chance from the run's seed."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

import msgspec

from harness.core.seeds import Seed
from harness.providers.api import PushRule


class BadRule(Exception):
    """The rule cannot be put in force; the text says why."""


class Rules:
    """The rules of one provider, and how many pushes each has answered."""

    def __init__(self, answers: Collection[str], seed: Seed) -> None:
        self._answers = answers
        self._seed = seed
        self._rules: dict[str, PushRule] = {}
        self._hits: dict[str, int] = {}
        self._chance: dict[str, random.Random] = {}

    def all(self) -> tuple[PushRule, ...]:
        """Return the rules in force, the oldest first."""
        return tuple(self._rules.values())

    def put(self, rule: PushRule) -> None:
        """Put a rule in force as the newest; one of the same id is replaced. Raises ``BadRule``."""
        if rule.answer not in self._answers:
            raise BadRule(f"there is no such answer; known: {', '.join(self._answers)}")
        if not 0 <= rule.share <= 1:
            raise BadRule("share is a number from 0 to 1")
        if rule.retry_after_s is not None and rule.retry_after_s < 0:
            raise BadRule("retry_after_s cannot be negative")
        self._rules.pop(rule.id, None)
        self._rules[rule.id] = rule
        self._hits.setdefault(rule.id, 0)

    def remove(self, id: str) -> None:
        """Take a rule back; its hits are remembered."""
        self._rules.pop(id, None)

    def hits(self, id: str) -> int:
        """Count the pushes that a rule has answered."""
        return self._hits.get(id, 0)

    def decide(self, device: str) -> PushRule | None:
        """Return the rule that answers a push to this device, or None for the usual answer.

        A rule with a share draws once for each push that it is asked about: the same seed and order of pushes give
        the same decisions.
        """
        for rule in reversed(self._rules.values()):
            if rule.device in {None, device} and self._drawn(rule):
                self._hits[rule.id] += 1
                return rule
        return None

    def _drawn(self, rule: PushRule) -> bool:
        if rule.id not in self._chance:
            self._chance[rule.id] = self._seed.rng("push rule", rule.id)
        return rule.share >= 1 or self._chance[rule.id].random() < rule.share


def rule_as_data(rule: PushRule) -> dict[str, object]:
    """Return a rule as plain JSON; what it leaves open is absent."""
    data: dict[str, object] = msgspec.to_builtins(rule)
    return {key: value for key, value in data.items() if value is not None}


def rule_from_data(data: object, *, id: str | None = None) -> PushRule:
    """Read a rule, which gets ``id`` when one is given; raises ``BadRule``."""
    # msgspec leaves unknown keys of a dataclass out; a misspelt `share` must not strike every push.
    unknown = data.keys() - set(PushRule.__dataclass_fields__) if isinstance(data, dict) else ()
    if unknown:
        raise BadRule(f"unknown key {min(unknown)!r}")
    try:
        rule = msgspec.convert({**data, "id": id} if id and isinstance(data, dict) else data, PushRule)
    except msgspec.ValidationError as problem:
        raise BadRule(str(problem)) from None
    return replace(rule, share=float(rule.share))
