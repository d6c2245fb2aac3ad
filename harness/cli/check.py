"""``chat-chaos check``: judge a history that was recorded before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as flags

if TYPE_CHECKING:
    from harness.report.text import Judged

Recorded = Annotated[
    list[Path], typer.Argument(metavar="RUN|EVENTS", help="Run folders, or bare event files (*.jsonl).")
]
StackName = Annotated[
    str, typer.Option("--stack", metavar="NAME|FILE", help="Stack whose promises bare events are judged by.")
]


def check(
    recorded: Recorded,
    *,
    stack: StackName = "reference",
    as_json: flags.AsJson = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> int:
    """Judge what was recorded before.

    A finished run, a killed one, or bare events of something else. What a killed run did not get to see makes it
    inconclusive, never a pass.
    """
    import os
    import sys

    from harness.cli.sessions import session_code
    from harness.report.json_report import document
    from harness.report.style import style_for
    from harness.report.text import Detail, describe_run

    judged = _judge(recorded, stack)
    code = session_code([one.result for one in judged])
    if as_json:
        typer.echo(document([one.result for one in judged], [], code))
        return code
    style, detail = style_for(sys.stdout, os.environ), Detail(quiet=quiet, verbose=verbose)
    for one in judged:
        typer.echo("\n".join(describe_run(one, style, detail)))
    return code


def _judge(recorded: list[Path], stack: str) -> list[Judged]:
    """Judge each run folder by what it was run with, and all bare events together by the stack's promises."""
    from harness.engine.judge import judge_events, judge_folder
    from harness.report.lives import life_of
    from harness.report.places import near
    from harness.report.text import Judged
    from harness.scenario.stackfile import load_stack

    runs = [path for path in recorded if (path / "run.json").is_file()]
    events = [path for path in recorded if path not in runs]
    results = [(path, judge_folder(path)) for path in runs]
    judged = [Judged(result, near(path), life=life_of([path], result)) for path, result in results]
    if events:
        result = judge_events(events, load_stack(stack))
        judged.append(Judged(result, life=life_of(events, result)))
    return judged
