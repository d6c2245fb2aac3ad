"""``chat-chaos stack``: start one by itself, or clear away what dead runs left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as flags

Name = Annotated[str, typer.Argument(metavar="STACK", help="Name or file of the stack.")]
Command = Annotated[
    list[str] | None, typer.Argument(metavar="[-- COMMAND]", help="What to run beside it; without, Ctrl-C ends it.")
]


def up(
    stack: Name,
    command: Command = None,
    *,
    launcher: flags.Launcher = flags.LauncherName.EMBEDDED,
    proxy: flags.Proxy = flags.ProxyName.AUTO,
    settings: flags.Settings = None,
    out: flags.Out = flags.DEFAULT_OUT,
) -> int:
    """Start a stack behind its proxies, by itself.

    It goes on as long as the command, which finds the addresses in its environment, or until Ctrl-C: CHAT_CHAOS_STACK,
    CHAT_CHAOS_CHAT and CHAT_CHAOS_AUTH through the proxies, CHAT_CHAOS_DIRECT and CHAT_CHAOS_DIRECT_AUTH past them,
    CHAT_CHAOS_PROXY for the proxies' API. Ends with the command's exit code.
    """
    from harness.cli.beside import beside, held
    from harness.cli.sessions import options_from

    choices = flags.Choices(stack=stack, launcher=launcher, proxy=proxy, settings=settings, out=Path(out))
    options = options_from(choices)
    return beside(options, command) if command else held(options)


def prune() -> int:
    """Remove what dead runs left behind.

    Temporary folders, and containers, networks and volumes of a container engine. Every run clears up after itself
    and every start after dead ones, so there is little to do, unless a machine was switched off. Runs in progress are
    not touched.
    """
    from harness.core.errors import EnvironmentFault
    from harness.stacks.docker_prune import prune_engine
    from harness.stacks.prune import sweep

    for folder in sweep():
        typer.echo(f"removed {folder}")
    try:
        runs = prune_engine()
    except EnvironmentFault as missing:
        typer.echo(f"containers were not looked for: {missing.what}")
        return 0
    for run in runs:
        typer.echo(f"removed the containers, networks and volumes of {run}")
    return 0
