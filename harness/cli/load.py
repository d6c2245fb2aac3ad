"""``chat-chaos load``: the same scenario under thousands of people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as flags
from harness.cli.run import Keep, Mutant

File = Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file, with `load:` or the flags that say it.")]
Users = Annotated[int | None, typer.Option("--users", min=2, metavar="N", help="People, instead of the file's.")]
MessageRate = Annotated[
    str | None, typer.Option("--rate", metavar="RATE", help="Messages of all people together, like 500/s.")
]
Duration = Annotated[
    str | None, typer.Option("--duration", metavar="TIME", help="How long they write at least, like 2m.")
]
Web = Annotated[int | None, typer.Option("--web", min=1, max=65535, metavar="PORT", help="Show Locust's page here.")]
Csv = Annotated[str | None, typer.Option("--csv", metavar="PREFIX", help="Write Locust's CSV files.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Write Locust's report.")]
SwarmCount = Annotated[
    int | None, typer.Option("--swarms", min=1, metavar="N", help="Processes that play the people; default: cores - 1.")
]


def load(
    file: File,
    *,
    users: Users = None,
    rate: MessageRate = None,
    duration: Duration = None,
    swarms: SwarmCount = None,
    web: Web = None,
    csv: Csv = None,
    html: Html = None,
    stack: flags.Stack = None,
    launcher: flags.Launcher = flags.LauncherName.EMBEDDED,
    proxy: flags.Proxy = flags.ProxyName.AUTO,
    seed: flags.SeedNumber = None,
    settings: flags.Settings = None,
    mutant: Mutant = None,
    keep: Keep = False,
    out: flags.Out = flags.DEFAULT_OUT,
    as_json: flags.AsJson = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> int:
    """Run a scenario under load and judge every message."""
    from dataclasses import replace

    from harness.cli.run import load_plans
    from harness.cli.sessions import console_for, options_from, play, session_code
    from harness.load.planning import Wishes, under_load
    from harness.report.json_report import document

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
    if web:
        _check_port(web)
    players = _players(swarms or max(1, (os.cpu_count() or 1) - 1), web=web, csv=csv, html=html)
    # Not again when inconclusive: the machine would be no faster, and it takes minutes.
    options = replace(options_from(choices), mutant=mutant, keep=keep, players=players, reruns=0)
    wishes = Wishes(users, _rate(rate), _duration(duration))
    plans = [under_load(plan, wishes) for plan in load_plans([file], options)]
    console = console_for(choices)
    results = play(plans, options, console)
    code = session_code(results)
    console.close(results, code)
    if as_json:
        typer.echo(document(results, console.skipped, code))
    return code


def _players(swarms: int, *, web: int | None, csv: str | None, html: Path | None) -> tuple[str, ...]:
    """Return the module, with arguments, that plays the people; paths are the user's, wherever it runs."""
    words = ["harness.load", "--swarms", str(swarms)]
    words += ["--web", str(web)] if web else []
    words += ["--csv", str(Path(csv).absolute())] if csv else []
    words += ["--html", str(html.absolute())] if html else []
    return tuple(words)


def _check_port(port: int) -> None:
    """Raise ``UsageError`` when Locust could not show its page there: better now than in the middle of a run."""
    import socket

    from harness.core.errors import UsageError

    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as problem:
        raise UsageError(f"--web {port}: {problem.strerror}", hint="choose a port that nothing listens on") from None


def _rate(text: str | None) -> float | None:
    from harness.core.errors import UsageError
    from harness.scenario.units import parse_rate

    try:
        return None if text is None else parse_rate(text)
    except ValueError as wrong:
        raise UsageError(f"--rate: {wrong}", hint="for example: --rate 500/s") from None


def _duration(text: str | None) -> float | None:
    from harness.core.errors import UsageError
    from harness.scenario.units import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as wrong:
        raise UsageError(f"--duration: {wrong}", hint="for example: --duration 2m") from None
