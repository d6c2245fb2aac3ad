"""``chat-chaos load``: the same scenario under thousands of people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as flags
from harness.cli.run import Keep, Mutant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.plan import ScenarioPlan
    from harness.engine.options import RunOptions
    from harness.load.planning import Wishes

File = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="Scenario file, with `load:` or the flags that say it.")
]
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
    int | None,
    typer.Option(
        "--swarms",
        min=1,
        metavar="N",
        help="Processes that play the people; default: cores - 1, or 1 for each worker.",
    ),
]
FindCapacity = Annotated[
    bool, typer.Option("--find-capacity", help="Search for the rate that is held, from the file's, or --rate, on.")
]
Resolution = Annotated[
    str, typer.Option("--resolution", metavar="PERCENT", help="With --find-capacity: how near the two ends must come.")
]
Steps = Annotated[int, typer.Option("--steps", min=1, metavar="N", help="With --find-capacity: at most so many runs.")]
KeepFaults = Annotated[
    bool, typer.Option("--keep-faults", help="With --find-capacity: disturb each step as the file says.")
]
LOOPBACK, PORT = "127.0.0.1", 5557
Processes = Annotated[
    int,
    typer.Option("--processes", min=0, metavar="N", help="Locust workers on this machine, each with its own swarms."),
]
Master = Annotated[bool, typer.Option("--master", help="Wait for Locust workers that are started elsewhere.")]
ExpectWorkers = Annotated[int, typer.Option("--expect-workers", min=1, metavar="N", help="How many of them.")]
Wait = Annotated[str, typer.Option("--expect-workers-max-wait", metavar="TIME", help="How long to wait for them.")]
BindHost = Annotated[str, typer.Option("--master-bind-host", metavar="ADDRESS", help="Where they join.")]
BindPort = Annotated[int, typer.Option("--master-bind-port", min=1, max=65535, metavar="PORT", help="At which port.")]
Worker = Annotated[bool, typer.Option("--worker", help="Be a worker: play people for a master elsewhere.")]
MasterHost = Annotated[str, typer.Option("--master-host", metavar="HOST", help="Where the worker's master is.")]
MasterPort = Annotated[int, typer.Option("--master-port", min=1, max=65535, metavar="PORT", help="At which port.")]


def load(
    file: File = None,
    *,
    users: Users = None,
    rate: MessageRate = None,
    duration: Duration = None,
    swarms: SwarmCount = None,
    web: Web = None,
    csv: Csv = None,
    html: Html = None,
    find_capacity: FindCapacity = False,
    resolution: Resolution = "10%",
    steps: Steps = 16,
    keep_faults: KeepFaults = False,
    processes: Processes = 0,
    master: Master = False,
    expect_workers: ExpectWorkers = 1,
    wait: Wait = "5m",
    master_bind_host: BindHost = LOOPBACK,
    master_bind_port: BindPort = PORT,
    worker: Worker = False,
    master_host: MasterHost = LOOPBACK,
    master_port: MasterPort = PORT,
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
    """Run a scenario under load and judge every message.

    With --worker it plays people for a master elsewhere, which has the file.
    """
    from dataclasses import replace

    from harness.cli.players import Company, work_for
    from harness.cli.run import load_plans
    from harness.cli.sessions import console_for, options_from, play, session_code
    from harness.core.errors import UsageError
    from harness.load.planning import Wishes, under_load
    from harness.report.json_report import document

    if worker:
        work_for(master_host, master_port, swarms or 1)
    if file is None:
        raise UsageError("there is no FILE", hint="name a scenario, or give --worker to play for a master elsewhere")
    plays = Company(
        processes=processes,
        elsewhere=expect_workers if master else 0,
        bind_host=master_bind_host,
        bind_port=master_bind_port,
        wait_s=_duration(wait, "--expect-workers-max-wait") or 0.0,
        swarms=swarms,
        web=web,
        csv=csv,
        html=html,
    )
    plays.check()
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
    # Not again when inconclusive: the machine would be no faster, and it takes minutes.
    options = replace(options_from(choices), mutant=mutant, keep=keep, reruns=0)
    options = replace(options, players=plays.words(), players_within_s=plays.within_s)
    wishes = Wishes(users, _rate(rate), _duration(duration))
    if find_capacity:
        if master:
            raise UsageError("workers that are started elsewhere play one run", hint="search with --processes instead")
        limits = (_percent(resolution), steps)
        return _search(file, options, choices, wishes, limits, faults=keep_faults)
    plans = [under_load(plan, wishes) for plan in load_plans([file], options)]
    console = console_for(choices)
    results = play(plans, options, console)
    code = session_code(results)
    console.close(results, code)
    if as_json:
        typer.echo(document(results, console.skipped, code))
    return code


def _search(
    file: Path,
    options: RunOptions,
    choices: flags.Choices,
    wishes: Wishes,
    limits: tuple[float, int],
    *,
    faults: bool,
) -> int:
    """Search for the rate that the first scenario of the file holds; ``limits`` are the resolution and the steps."""
    from dataclasses import replace

    from harness.cli.capacity import describe, document, exit_code, find_capacity
    from harness.cli.run import load_plans
    from harness.cli.sessions import play, progress_console
    from harness.load.capacity import Search, capacity_of
    from harness.load.planning import steady, under_load

    plan = _only(load_plans([file], options))
    crowd = under_load(plan, wishes).crowd
    search = Search(crowd.rate_per_s if crowd else 0.0, *limits)
    console = progress_console(choices)
    played = find_capacity(
        search,
        lambda rate: steady(plan, replace(wishes, rate_per_s=rate), faults=faults),
        # A seed of its own for each: one timetable at several rates would be one and the same sample.
        lambda one, number: play([one], replace(options, seed=options.seed + number), console)[0],
        options.out,
        (lambda _: None) if choices.quiet else sys.stderr.write,
    )
    found = capacity_of(search, [step.trial for step in played])
    code = exit_code(found)
    typer.echo(document(found, played, code) if choices.as_json else describe(found, played), nl=choices.as_json)
    return code


def _only(plans: Sequence[ScenarioPlan]) -> ScenarioPlan:
    """Return the only scenario; raises ``UsageError`` for a matrix, of which each entry has a capacity of its own."""
    from harness.core.errors import UsageError

    if len(plans) != 1:
        raise UsageError(
            f"{plans[0].source} holds {len(plans)} scenarios: a search is for one",
            hint="leave one value in each axis of its matrix",
        )
    return plans[0]


def _rate(text: str | None) -> float | None:
    from harness.core.errors import UsageError
    from harness.scenario.units import parse_rate

    try:
        return None if text is None else parse_rate(text)
    except ValueError as wrong:
        raise UsageError(f"--rate: {wrong}", hint="for example: --rate 500/s") from None


def _percent(text: str) -> float:
    from harness.core.errors import UsageError
    from harness.scenario.units import parse_percent

    try:
        found = parse_percent(text)
    except ValueError as wrong:
        raise UsageError(f"--resolution: {wrong}", hint="for example: --resolution 5%") from None
    if not found:
        raise UsageError("--resolution: two rates cannot come nearer than 1%", hint="for example: --resolution 5%")
    return found


def _duration(text: str | None, flag: str = "--duration") -> float | None:
    from harness.core.errors import UsageError
    from harness.scenario.units import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as wrong:
        raise UsageError(f"{flag}: {wrong}", hint=f"for example: {flag} 2m") from None
