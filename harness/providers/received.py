"""What a provider has been asked: counts by token reference, never a token or a text."""

from __future__ import annotations

from collections import Counter, OrderedDict

MOST_PUSHES = 100_000
"""Pushes whose attempts are remembered; what is older counts from one again."""


class Received:
    """Counts requests by answer and device, and the attempts of each push."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._by_answer: Counter[str] = Counter()
        self._by_token: dict[str, tuple[str, Counter[str]]] = {}
        self._malformed = 0

    def attempt(self, push_ref: str, message_id: str) -> int:
        """Count one request for a message and token; return which attempt it is, from 1."""
        key = (push_ref, message_id)
        self._attempts[key] = self._attempts.pop(key, 0) + 1
        if len(self._attempts) > MOST_PUSHES:
            self._attempts.popitem(last=False)
        return self._attempts[key]

    def answered(self, push_ref: str, device: str, answer: str) -> None:
        """Count an answer."""
        self._by_answer[answer] += 1
        if push_ref in self._by_token or len(self._by_token) < MOST_PUSHES:
            self._by_token.setdefault(push_ref, (device, Counter()))[1][answer] += 1

    def malformed(self) -> None:
        """Count a request that was no push."""
        self._malformed += 1

    def as_data(self) -> dict[str, object]:
        """Return all counts as plain JSON."""
        return {
            "requests": self._by_answer.total(),
            "malformed": self._malformed,
            "answers": dict(self._by_answer),
            "tokens": {
                ref: {"device": device, "answers": dict(answers)} for ref, (device, answers) in self._by_token.items()
            },
        }
