"""``chat-chaos trace``: the life of one message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as flags

MessageId = Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="The server's or the client's id of the message.")]
Run = Annotated[
    Path | None,
    typer.Option("--run", metavar="DIR", help="Run folder to look in; the latest one if none.", show_default=False),
]


def trace(message_id: MessageId, *, run: Run = None, out: flags.Out = flags.DEFAULT_OUT) -> int:
    """Show the life of one message.

    What happened to it step by step, on every device, and the faults around it.
    """
    from harness.core.errors import UsageError
    from harness.history.ingest import open_history
    from harness.history.trace import render
    from harness.history.trace import trace as follow

    folder = run or out / "latest"
    if not folder.is_dir():
        raise UsageError(f"there is no run folder {folder}", hint="name one with --run; each run prints where it lies")
    with open_history([folder]) as history:
        typer.echo(render(follow(history, message_id)))
    return 0
