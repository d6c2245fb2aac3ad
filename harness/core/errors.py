"""Errors that a user can act on: what happened, where, why, and what to do next.

ChatChaosError          anything the harness tells a user about, with an exit code
├── UsageError          a wrong flag, name or file (exit 2)
├── EnvironmentFault    the stack, a port, a program or the proxy is not as needed (exit 3)
└── NothingSelected     the selection matched no scenario (exit 5)
"""

from __future__ import annotations

from harness.core.verdicts import EXIT_NOTHING_SELECTED, EXIT_USAGE, Verdict


class ChatChaosError(Exception):
    """A problem told to the user in a sentence, with the way out; never shown as a traceback."""

    exit_code = Verdict.ERROR.exit_code

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  {self.hint}" if self.hint else self.what


def cause_of(error: BaseException) -> BaseException:
    """Return what a group of failed tasks is about: what the user can mend, else its first error."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [cause_of(inner) for inner in error.exceptions]
    return next((cause for cause in causes if isinstance(cause, ChatChaosError)), causes[0])


class UsageError(ChatChaosError):
    """The command line or a file is wrong: correct what the message names and run again."""

    exit_code = EXIT_USAGE


class EnvironmentFault(ChatChaosError):
    """The surroundings are not as a run needs them: mend what the message names and run again."""


class NothingSelected(ChatChaosError):
    """No scenario matched: widen the selection."""

    exit_code = EXIT_NOTHING_SELECTED


class ControlUnavailable(Exception):
    """A control port did not answer, or not as documented: a command's effect is unknown."""
