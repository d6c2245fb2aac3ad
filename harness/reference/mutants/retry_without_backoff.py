"""Tries a failed push again at once, whatever the provider asks for."""

from __future__ import annotations

from harness.reference.parts import Parts
from harness.reference.push import Answer, PushWorker

AT_ONCE_S = 0.01


class Hammer(PushWorker):
    """Leaves no time between attempts."""

    def delay_s(self, failures: int, answer: Answer) -> float:  # noqa: ARG002 - it regards neither
        """Return a fixed moment."""
        return AT_ONCE_S


PARTS = Parts(push_worker=Hammer)
