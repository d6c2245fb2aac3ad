"""The edge to the shell: every way a command can end becomes an exit code and at most one sentence."""

from __future__ import annotations

import functools
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, ParamSpec

from harness import __version__
from harness.core.errors import ChatChaosError, cause_of
from harness.core.verdicts import EXIT_HARNESS_DEFECT, EXIT_INTERRUPTED

# What a shell reports for a program that its reader left: 128 + SIGPIPE.
EXIT_BROKEN_PIPE = 141

P = ParamSpec("P")


class Interrupted(ChatChaosError):
    """The user pressed Ctrl-C: run again, or judge what was recorded so far."""

    exit_code = EXIT_INTERRUPTED


def ends_with_code(command: Callable[P, int]) -> Callable[P, NoReturn]:
    """Make a function that returns an exit code into a command that ends the program with it."""

    @functools.wraps(command)
    def ending(*args: P.args, **kwargs: P.kwargs) -> NoReturn:
        raise SystemExit(exit_code_of(lambda: command(*args, **kwargs)))

    return ending


def exit_code_of(call: Callable[[], int]) -> int:
    """Call it and return its exit code, or tell the user in a sentence why there is none."""
    try:
        code = call()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _tell("interrupted")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a defect of ours must not look like a verdict
        return _told(cause_of(error))
    return code


def _told(error: BaseException) -> int:
    if isinstance(error, ChatChaosError):
        _tell(str(error))
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        _silence_stdout()
        return EXIT_BROKEN_PIPE
    about = f"{type(error).__name__}: {error}".partition("\n")[0]
    _tell(f"chat-chaos itself failed, so this says nothing about your chat backend: {about}")
    _tell(f"  please report it with the file {_write_traceback(error)}")
    return EXIT_HARNESS_DEFECT


def _tell(sentence: str) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more; the exit code still speaks
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - stderr is where a person looks


def _write_traceback(error: BaseException) -> str:
    about = f"chat-chaos {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n"
    story = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile("w", prefix="chat-chaos-defect-", suffix=".txt", delete=False) as file:
        file.write(about + story)
    return file.name


def _silence_stdout() -> None:
    """Point stdout elsewhere, or the interpreter complains when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
