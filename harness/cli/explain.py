"""``chat-chaos explain``: a scenario file in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file, or a folder of them.")]


def explain(file: File) -> int:
    """Say in words what a scenario does.

    Who chats, which fault strikes when, what is demanded. Nothing is run.
    """
    from harness.scenario.explain import explain as in_words
    from harness.scenario.loader import load_scenarios

    typer.echo("\n\n".join(in_words(plan) for plan in load_scenarios([file])))
    return 0
