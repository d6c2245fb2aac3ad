"""What a test raises when its run did not pass.

BrokenPromise  a promise was broken: an ``AssertionError``, so that the test *failed* and the service is at fault
UnexpectedPass a finding that is listed as showing always did not, as with a strict ``xfail``
NotProven      the run is inconclusive, and a test that proves nothing must not be green
Trouble        the surroundings or the harness: a service did not start, a fault could not be undone

The last two are no ``AssertionError``: Allure calls such a test *broken*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.verdicts import Verdict


class BrokenPromise(AssertionError):
    """The service broke a promise: read the life of the message, and mend the service."""

    __module__ = "builtins"  # as pytest does for its own: summaries show the bare name


class UnexpectedPass(AssertionError):
    """A finding that is listed as showing always did not show: strike it from the stack file, or say how often."""

    __module__ = "builtins"


class NotProven(Exception):
    """The run is inconclusive: let the fault bite, or give the check something to look at."""

    __module__ = "builtins"


class Trouble(Exception):
    """Something other than the service failed: mend what the message names and run again."""

    __module__ = "builtins"


OURS = (BrokenPromise, UnexpectedPass, NotProven, Trouble)


def exception_for(verdict: Verdict) -> type[BrokenPromise | NotProven | Trouble]:
    """Return what a verdict other than a pass is raised as."""
    if verdict.value == "fail":
        return BrokenPromise
    return NotProven if verdict.value == "inconclusive" else Trouble
