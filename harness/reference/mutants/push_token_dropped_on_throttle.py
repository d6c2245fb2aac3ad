"""Takes any refusal of a push for the end of its token, a throttled one too."""

from __future__ import annotations

from harness.reference.parts import Parts
from harness.reference.push import SERVER_ERROR, Answer, Fate, PushWorker

REFUSED_FROM = 400


class AnyRefusalDrops(PushWorker):
    """Tells the client's errors from the server's, and no more than that."""

    def fate(self, answer: Answer) -> Fate:
        """Drop the token for each status of 4xx."""
        if answer.status is not None and REFUSED_FROM <= answer.status < SERVER_ERROR:
            return Fate.UNREGISTERED
        return super().fate(answer)


PARTS = Parts(push_worker=AnyRefusalDrops)
