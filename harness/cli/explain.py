"""``chat-chaos explain``: a scenario file in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as flags

File = Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file, or a folder of them.")]


def explain(file: File, *, stack: flags.Stack = None) -> int:
    """Say in words what a scenario does.

    Who chats, which fault strikes when, what is demanded. Nothing is run.
    """
    from harness.engine.options import RunOptions
    from harness.engine.session import stack_for
    from harness.scenario.explain import explain as in_words
    from harness.scenario.loader import load_scenarios
    from harness.scenario.stackfile import load_stack

    plans = load_scenarios([file], stack=load_stack(stack) if stack else None)
    options = RunOptions(seed=0, stack=stack)
    typer.echo("\n".join(in_words(plan, stack_for(plan, options)) for plan in plans), nl=False)
    return 0
