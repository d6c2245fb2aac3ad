"""``chat-chaos report``: the page of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as flags

Run = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="Run folder; the latest one if none.", show_default=False)
]


def report(run: Run = None, *, out: flags.Out = flags.DEFAULT_OUT) -> int:
    """Write the page of one run anew.

    One file, report.html in the run's folder, that shows all messages under the faults, and where a broken promise
    broke. Works on finished and on killed runs.
    """
    from harness.core.errors import UsageError
    from harness.report.html.page import write_report
    from harness.report.places import near

    folder = run or out / "latest"
    if not folder.is_dir():
        raise UsageError(f"there is no run folder {folder}", hint="each run prints where its folder lies")
    typer.echo(near(write_report(folder)))
    return 0
