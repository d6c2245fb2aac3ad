"""What a service needs before its first start: files in its data folder, and commands such as the making of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import EnvironmentFault
from harness.stacks.api import Processes
from harness.stacks.logs import last_lines

PREPARE_WITHIN_S = 60.0
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Preparation:
    """Files to be written, by their place, and commands to be run after that, in turn."""

    files: Mapping[Path, str] = field(default_factory=dict)
    commands: Sequence[Sequence[str]] = ()


async def prepare(
    who: str, preparation: Preparation, processes: Processes, *, env: Mapping[str, str], log: Path
) -> None:
    """Write the files, which only this user may read, and run the commands.

    Raises ``EnvironmentFault`` with the last lines of the command that failed.
    """
    for place, text in preparation.files.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch(_PRIVATE)
        place.write_text(text)
    for argv in preparation.commands:
        pid = await processes.spawn(f"the preparation of {who}", argv, env=env, log=log)
        status = await processes.wait_exit(pid, PREPARE_WITHIN_S)
        if status != 0:
            how = f"was not done within {PREPARE_WITHIN_S:g} s" if status is None else f"ended with status {status}"
            raise EnvironmentFault(
                f"{who} could not be prepared: {Path(argv[0]).name} {how}; {last_lines(log)}",
                hint="mend what its log names, or correct `prepare` in the stack file",
            )
