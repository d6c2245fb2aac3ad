"""What a stack file says of a client program: how it is started, and by which driver the truth is read."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError

RUN, TRUTH, FOLDER = "run", "truth", "folder"
PYTHON = "${python}"
_EXAMPLE = 'driver: {kind: stdio, run: "node my-client.js", truth: reference}'


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, started in ``folder``; ``truth`` is the driver that makes accounts and reads."""

    argv: tuple[str, ...]
    folder: Path
    truth: str
    truth_options: Mapping[str, str]

    @property
    def shown(self) -> str:
        """The command as a user would type it."""
        return shlex.join(self.argv)


def command(options: Mapping[str, str]) -> Command:
    """Read the options of driver ``stdio``; raises ``UsageError`` for those that are missing or wrong."""
    for name, what in ((RUN, "the command that starts your client"), (TRUTH, "the driver that reads the archive")):
        if not options.get(name):
            raise UsageError(f"driver 'stdio' needs {name!r}: {what}", hint=f"write {_EXAMPLE}")
    try:
        argv = shlex.split(options[RUN])
    except ValueError as problem:
        raise UsageError(
            f"driver 'stdio': {options[RUN]!r} is no command: {problem}", hint="close the quotes"
        ) from None
    others = {name: value for name, value in options.items() if name not in {RUN, TRUTH, FOLDER}}
    argv = [word.replace(PYTHON, sys.executable) for word in argv]
    return Command(tuple(argv), Path(options.get(FOLDER, ".")), options[TRUTH], others)


def settle(options: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """Check the options and note the stack file's folder, in which the program is started.

    Raises ``UsageError`` for a program that is not there.
    """
    # Late: the registry finds this function by its name.
    from harness.drivers.registry import settle as settle_options  # noqa: PLC0415 - see above

    found = command(options)
    if found.truth == "stdio":
        raise UsageError("driver 'stdio' cannot read the archive itself", hint=f"write {_EXAMPLE}")
    if shutil.which(found.argv[0]) is None and not (folder / found.argv[0]).is_file():
        raise UsageError(
            f"driver 'stdio': there is no program {found.argv[0]!r}",
            hint="its path starts at the folder of the stack file; ${python} is the Python that runs chat-chaos",
        )
    truth = settle_options(found.truth, found.truth_options, folder)
    return {**truth, RUN: found.shown, TRUTH: found.truth, FOLDER: str(folder.resolve())}
