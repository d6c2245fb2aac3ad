"""``chat-chaos stack prune``: clear away what dead runs left."""

from __future__ import annotations

import typer


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
