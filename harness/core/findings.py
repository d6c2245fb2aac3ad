"""What a server is known to do otherwise than its stack promises, listed before it is run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.core.verdicts import Verdict
from harness.core.versions import VersionRange

if TYPE_CHECKING:
    from harness.core.results import CheckResult, Reason

ALWAYS = "always"
VERSION = "version"
"""The parameter of a stack that says which release of the server runs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One listed finding: where it shows, by what, how often, and where that is written.

    It is listed for ``scenarios``, or for all that have one of ``faults``; with both, for those among the first that
    have one. It shows in a run as a reason of ``verdict`` that names ``check``, or as the ``gap`` of a fault. With
    ``says`` every witness of the check has to contain these words: what else the check finds is not covered. ``rate``
    is ``always``, or how often it was seen in how many runs (``7/10``).
    """

    id: str
    rate: str
    text: str
    source: str
    scenarios: tuple[str, ...] = ()
    """Names of scenarios or of their entries; without any, every scenario."""
    faults: tuple[str, ...] = ()
    """Kinds of faults (``process.kill``), one of which a scenario has to have."""
    check: str | None = None
    gap: str | None = None
    says: str | None = None
    verdict: Verdict = Verdict.FAIL
    versions: str = ""
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By parameter of the stack, the values under which it shows."""

    @property
    def must_show(self) -> bool:
        """Whether a run without it is a surprise."""
        return self.rate == ALWAYS

    def concerns(self, scenario: str, entry: str, faults: Collection[str], parameters: Mapping[str, str]) -> bool:
        """Tell whether it is listed for a scenario, by its name, one entry of its matrix or the kinds of its faults."""
        if self.scenarios and not {scenario, entry} & set(self.scenarios):
            return False
        if self.faults and not set(faults) & set(self.faults):
            return False
        if self.versions and parameters.get(VERSION, "") not in VersionRange.parse(self.versions):
            return False
        return all(parameters.get(name) in values for name, values in self.given.items())

    def explains(self, reason: Reason, checks: Mapping[str, CheckResult]) -> bool:
        """Tell whether it is why a run did not pass."""
        if reason.verdict is not self.verdict:
            return False
        if self.gap is not None and reason.code == self.gap:
            return True
        return self.check is not None and reason.check == self.check and self._says(checks.get(self.check))

    def _says(self, check: CheckResult | None) -> bool:
        if self.says is None:
            return True
        witnesses = check.witnesses if check else ()
        return bool(witnesses) and all(self.says in witness.text for witness in witnesses)
