"""``chat-chaos run``: execute scenarios and judge them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as flags

if TYPE_CHECKING:
    from harness.core.plan import ScenarioPlan
    from harness.engine.options import RunOptions

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Scenario files, or folders of them.", show_default=False),
]
Mutant = Annotated[
    str | None, typer.Option("--mutant", metavar="NAME", help="Plant this defect in the backend (`list mutants`).")
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Runs side by side.")]
JUnit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", dir_okay=False, help="Write a JUnit XML report too.")
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Start no further run after one that failed.")]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the stack's data in the run folder.")]


def run(
    paths: Paths = None,
    *,
    stack: flags.Stack = None,
    launcher: flags.Launcher = flags.LauncherName.EMBEDDED,
    proxy: flags.Proxy = flags.ProxyName.AUTO,
    seed: flags.SeedNumber = None,
    settings: flags.Settings = None,
    mutant: Mutant = None,
    jobs: Jobs = 1,
    fail_fast: FailFast = False,
    keep: Keep = False,
    out: flags.Out = flags.DEFAULT_OUT,
    junit: JUnit = None,
    as_json: flags.AsJson = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> int:
    """Run scenarios and judge every message."""
    from dataclasses import replace

    from harness.cli.sessions import console_for, options_from, play, session_code
    from harness.report.json_report import document
    from harness.report.junit import JUnitReport

    choices = flags.Choices(
        stack=stack,
        launcher=launcher,
        proxy=proxy,
        seed=seed,
        settings=settings,
        out=out,
        as_json=as_json,
        quiet=quiet,
        verbose=verbose,
    )
    options = replace(options_from(choices), mutant=mutant, jobs=jobs, fail_fast=fail_fast, keep=keep)
    plans = load_plans(paths or [], options)
    report = JUnitReport(junit, plans) if junit else None
    console = console_for(choices)
    try:
        results = play(plans, options, console, *([report] if report else []))
    finally:
        if report:
            report.write()
    code = session_code(results)
    console.close(results, code)
    if as_json:
        typer.echo(document(results, console.skipped, code))
    return code


def load_plans(paths: list[Path], options: RunOptions) -> list[ScenarioPlan]:
    """Load the scenarios for the stack that they will run on; raises ``UsageError`` without a path."""
    from harness.core.errors import UsageError
    from harness.core.places import scenarios_folder
    from harness.report.places import near
    from harness.scenario.loader import load_scenarios
    from harness.scenario.stackfile import load_stack

    if not paths:
        raise UsageError(
            "run needs a scenario file, or a folder of them",
            hint=f"those that come with chat-chaos: chat-chaos run {near(scenarios_folder())}",
        )
    stack = load_stack(options.stack, parameters=options.parameters) if options.stack else None
    return load_scenarios(paths, stack=stack)
