"""Cleans up a broken connection late and by device: the reconnected session is taken off the list."""

from __future__ import annotations

from harness.reference.parts import Parts
from harness.reference.sessions import Key, Session, Sessions


class CleanedUpByDevice(Sessions):
    """Keeps the session of a broken connection listed until its device is back."""

    def register(self, session: Session) -> None:
        """List a session, then clean up the one that its device had: under a key that is by now the new one's."""
        left_over = self.at(session.key)
        super().register(session)
        if left_over is not None:
            self.forget(session.key)

    def unregister(self, session: Session) -> bool:
        """Forget a session that said goodbye; a broken one stays, so that presence does not flicker."""
        if session.ended_cleanly:
            return super().unregister(session)
        super().register(session)
        return False

    def closed_elsewhere(self, key: Key, connection: str) -> None:
        """Clean up after another instance, by device as well."""
        super().closed_elsewhere(key, connection)
        self.forget(key)


PARTS = Parts(sessions=CleanedUpByDevice)
