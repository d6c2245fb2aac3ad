"""Verdicts, their order and the exit codes that users script against."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

EXIT_USAGE = 2
EXIT_NOTHING_SELECTED = 5
EXIT_HARNESS_DEFECT = 70
EXIT_INTERRUPTED = 130


class Verdict(StrEnum):
    """What a run, or one check of it, came to; members stand worst first."""

    FAIL = "fail"
    ERROR = "error"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"  # noqa: S105 - a verdict, not a password

    @property
    def exit_code(self) -> int:
        """The process exit code that stands for this verdict."""
        return _EXIT_CODES[self]


_EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.ERROR: 3, Verdict.INCONCLUSIVE: 4}
_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict], *, empty: Verdict = Verdict.INCONCLUSIVE) -> Verdict:
    """Return the worst of some verdicts: a violation outranks a doubt, a doubt outranks a pass.

    ``empty`` is the answer for no verdicts at all; by default a run that judged nothing proves nothing.
    """
    return min(verdicts, key=_RANK.__getitem__, default=empty)
