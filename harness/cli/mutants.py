"""``chat-chaos mutants``: the matrix of seeded defects, the proof that the checks can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as flags

Full = Annotated[
    bool, typer.Option("--full", help="Every scenario against every mutant, not only those that claim to catch it.")
]
Repeat = Annotated[int, typer.Option("--repeat", min=1, metavar="N", help="Runs of each cell.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Runs side by side.")]
Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Scenarios; without any, those that come along.", show_default=False),
]


def mutants(
    paths: Paths = None,
    *,
    full: Full = False,
    repeat: Repeat = 1,
    jobs: Jobs = 1,
    stack: flags.Stack = None,
    launcher: flags.Launcher = flags.LauncherName.EMBEDDED,
    proxy: flags.Proxy = flags.ProxyName.AUTO,
    seed: flags.SeedNumber = None,
    settings: flags.Settings = None,
    out: flags.Out = flags.DEFAULT_OUT,
    as_json: flags.AsJson = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> int:
    """Show which check catches which defect.

    Scenarios run against the healthy backend and against the mutants that they claim to catch. Exit code 0 means
    that the healthy backend passed everywhere and that every defect was caught by the check that is named for it.
    """
    import os
    import sys
    from dataclasses import replace

    from harness.cli.sessions import options_from, play_matrix, progress_console
    from harness.core.places import scenarios_folder
    from harness.engine.matrix import never_caught
    from harness.report.matrix import describe_matrix, matrix_document, verdict_of
    from harness.report.places import near
    from harness.report.style import style_for
    from harness.scenario.loader import load_scenarios

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
    plans = load_scenarios(paths or [Path(near(scenarios_folder()))])
    options = replace(options_from(choices), jobs=jobs)
    cells = play_matrix(plans, options, progress_console(choices), full=full, repeat=repeat)
    # A choice of scenarios need not prove every mutant; the whole catalogue has to.
    unproven = [] if paths else never_caught(cells)
    code = verdict_of(cells, unproven).exit_code
    if as_json:
        typer.echo(matrix_document(cells, unproven, code))
    else:
        typer.echo("\n".join(describe_matrix(cells, unproven, style_for(sys.stdout, os.environ))))
    return code
