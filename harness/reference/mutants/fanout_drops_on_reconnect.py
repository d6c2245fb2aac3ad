"""Cleans up a broken connection late and by device: the reconnected session is taken off the list."""

from __future__ import annotations

from harness.reference.parts import Parts
from harness.reference.sessions import Session, Sessions


class CleanedUpByDevice(Sessions):
    """Keeps the session of a broken connection listed until its device is back."""

    def register(self, session: Session) -> None:
        """List a session, then clean up the one that its device had: under a key that is by now the new one's."""
        left_over = self.at(session.key)
        super().register(session)
        if left_over is not None:
            self.forget(session.key)

    def unregister(self, session: Session) -> None:
        """Forget a session that said goodbye; a broken one stays, so that presence does not flicker."""
        if session.ended_cleanly:
            super().unregister(session)
        else:
            super().register(session)


PARTS = Parts(sessions=CleanedUpByDevice)
