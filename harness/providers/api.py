"""What a provider simulator is to those who start it and to those who make it answer badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class PushRule:
    """How a provider answers a share of pushes: ``answer`` is one of the provider's answers by name.

    ``device`` narrows it to one device's tokens, ``share`` (0..1) to a seeded part of the pushes. A wish for time is
    told in ``seconds`` or as the ``date`` at which it ends.
    """

    id: str
    answer: str
    device: str | None = None
    share: float = 1.0
    retry_after_s: float | None = None
    retry_after_form: Literal["seconds", "date"] = "seconds"


class ProviderControl(Protocol):
    """A provider simulator's control port. Every call raises ``ControlUnavailable``."""

    kind: str
    answers: tuple[str, ...]
    """Names of the answers that a rule may give."""

    async def rules(self) -> tuple[PushRule, ...]:
        """Read the rules in force."""
        ...

    async def add_rule(self, rule: PushRule) -> None:
        """Put a rule in force; one of the same id is replaced."""
        ...

    async def remove_rule(self, id: str) -> None:
        """Take a rule back; one that is not there is no error."""
        ...

    async def hits(self, id: str) -> int:
        """Count the pushes that a rule has answered, removed rules included."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A kind of provider as stack files name it.

    ``run`` is the program after the Python interpreter; it obeys ``harness.providers.settings`` and answers 200 to
    ``GET /healthz``. ``answers`` are the names that a rule may give.
    """

    kind: str
    summary: str
    run: tuple[str, ...]
    answers: tuple[str, ...]
