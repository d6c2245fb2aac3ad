"""The user's compose tool: the plugin `docker compose`, or the older `docker-compose`; whichever there is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import EnvironmentFault, UsageError
from harness.stacks.api import Processes
from harness.stacks.logs import last_lines

PLUGIN, STANDALONE = ("docker", "compose"), ("docker-compose",)
ANSWER_WITHIN_S = 30.0
UP_WITHIN_S = 600.0
"""Images may have to be built or pulled first."""
HOW_TO_GET = "install the plugin `docker compose`, or `apt-get install docker-compose`"


@dataclass(frozen=True, slots=True)
class Compose:
    """A compose tool that works; it is given the user's whole environment, as in the user's own shell."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    async def config(self, files: Sequence[Path]) -> dict[str, Any]:
        """Return a project as the tool understands its files: merged, filled in, paths absolute, with its name.

        Raises ``UsageError`` with the tool's own words for files that it refuses.
        """
        named = [word for file in files for word in ("-f", str(file))]
        status, said, complaint = await _answer([*self.command, *named, "config"], self.environment)
        if status != 0:
            raise UsageError(
                f"{' '.join(self.command)} refuses {', '.join(map(str, files))}: {_last(complaint)}",
                hint="correct the compose file, or the variables that it takes from the environment",
            )
        return {"name": files[0].parent.name, **yaml.safe_load(said)}

    async def up(self, file: Path, project: str, *, processes: Processes, log: Path) -> None:
        """Make and start everything of a project in the order of its dependencies; raises ``EnvironmentFault``.

        The watcher is the tool's parent, so that it ends with the harness.
        """
        argv = [*self.command, "-p", project, "-f", str(file), "up", "-d"]
        pid = await processes.spawn("the compose tool", argv, env=self.environment, log=log, cwd=file.parent)
        status = await processes.wait_exit(pid, UP_WITHIN_S)
        if status != 0:
            how = f"was not done in {UP_WITHIN_S:g} s" if status is None else f"ended with status {status}"
            raise EnvironmentFault(
                f"`{' '.join(self.command)} up` {how}; {last_lines(log)}",
                hint="see that the project comes up by itself, without chat-chaos",
            )


async def find_compose(environment: Mapping[str, str]) -> Compose:
    """Return the plugin if the docker command has it, else the older tool; raises ``EnvironmentFault`` without both."""
    for command in (PLUGIN, STANDALONE):
        try:
            status, _, _ = await _answer([*command, "version"], environment)
        except FileNotFoundError:
            continue
        if status == 0:
            return Compose(command, environment)
    raise EnvironmentFault("there is no compose tool on this machine", hint=HOW_TO_GET)


async def _answer(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
    )
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            said, complaint = await process.communicate()
    except TimeoutError:
        raise EnvironmentFault(
            f"`{' '.join(argv)}` did not answer within {ANSWER_WITHIN_S:g} s", hint="see that the engine answers"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said, complaint


def _last(complaint: bytes) -> str:
    lines = complaint.decode(errors="replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-3:]) or "it said nothing"
