"""Gives a push up after its first failure."""

from __future__ import annotations

from harness.reference.parts import Parts
from harness.reference.push import Answer, Fate, PushWorker


class OneAttempt(PushWorker):
    """Knows taken and not taken."""

    def fate(self, answer: Answer) -> Fate:
        """Treat what may pass like what is final."""
        fate = super().fate(answer)
        return Fate.REFUSED if fate is Fate.RETRY else fate


PARTS = Parts(push_worker=OneAttempt)
