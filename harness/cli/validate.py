"""``chat-chaos validate``: say what is wrong with scenario files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How mistakes are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


Paths = Annotated[list[Path], typer.Argument(metavar="PATH", help="Scenario files, or folders of them.")]
As = Annotated[Format, typer.Option("--format", help="text for people, json for editors, github for annotations.")]


def validate(paths: Paths, *, as_format: As = Format.TEXT) -> int:
    """Check scenario files without running.

    Every mistake of every file is shown at once, with its place and what to write instead.
    """
    from harness.core.verdicts import EXIT_USAGE
    from harness.scenario.diagnostics import BadFile, render_github, render_json, render_text
    from harness.scenario.loader import load_scenarios

    render = {Format.TEXT: render_text, Format.JSON: render_json, Format.GITHUB: render_github}[as_format]
    try:
        plans = load_scenarios(paths)
    except BadFile as problem:
        typer.echo(render(problem.diagnostics))
        return EXIT_USAGE
    if as_format is Format.JSON:
        typer.echo(render(()))
    elif as_format is Format.TEXT:
        files = len({plan.source for plan in plans})
        typer.echo(f"all right: {len(plans)} scenario(s) in {files} file(s)")
    return 0
