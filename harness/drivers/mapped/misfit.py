"""Frames that are not as the mapping says: whose fault that is, and in which words it is told.

A rule that has never fitted is held to be wrong itself, which ends the run. One that has fitted before is right, and a
frame that it does not fit is the service's own doing.
"""

from __future__ import annotations

from harness.core.errors import EnvironmentFault


class Misfit(Exception):
    """A frame lacks what a rule of the mapping takes from it."""

    def __init__(self, rule: str, field: str, trouble: str) -> None:
        super().__init__(f"{rule}: {trouble} ({field})")
        self.rule = rule


class Proofs:
    """Which rules of a mapping have ever fitted a frame; shared by all devices."""

    def __init__(self, mapping: str) -> None:
        self._mapping = mapping
        self._proven: set[str] = set()

    def fitted(self, rule: str) -> None:
        """Take note that a rule is right."""
        self._proven.add(rule)

    def blame(self, misfit: Misfit) -> None:
        """Return when it is the service that is to blame; raises ``EnvironmentFault`` when it is the mapping."""
        if misfit.rule not in self._proven:
            raise EnvironmentFault(
                f"the mapping {self._mapping} does not fit the service: {misfit}",
                hint=f"correct `{misfit.rule}` in that file; a question mark after a path says that it may be missing",
            )

    def unknown_frame(self, seen: str, nearest: str) -> EnvironmentFault:
        """Return what to raise for a frame that no rule fits."""
        return EnvironmentFault(
            f"the mapping {self._mapping} has no rule for a frame of the service: {seen}{nearest}",
            hint="correct the `when` of the rule that is meant for it, or list it under `ignore`",
        )
