"""``chat-chaos demo``: the same scenario twice, against a healthy backend and against a defective one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from harness.cli import options as flags

if TYPE_CHECKING:
    from harness.core.results import RunResult

SCENARIO = "server-crash-mid-chat.chaos.yaml"
MUTANT = "ack_before_store"
# Any seed shows the same; a fixed one lets two people talk about the same demo.
SEED = 7


def demo(
    *,
    launcher: flags.Launcher = flags.LauncherName.EMBEDDED,
    proxy: flags.Proxy = flags.ProxyName.AUTO,
    seed: flags.SeedNumber = SEED,
    out: flags.Out = flags.DEFAULT_OUT,
    as_json: flags.AsJson = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> int:
    """Watch a seeded defect being caught.

    The same scenario runs twice: a healthy chat backend survives a crash, and the same backend with one defect loses
    a message. Exit code 0 means that both verdicts were the expected ones.
    """
    from dataclasses import replace
    from pathlib import Path

    from harness.cli.sessions import console_for, options_from, play
    from harness.core.places import scenarios_folder
    from harness.reference.mutants import MUTANTS
    from harness.report.json_report import document
    from harness.report.places import near
    from harness.scenario.loader import load_scenarios

    choices = flags.Choices(
        launcher=launcher, proxy=proxy, seed=seed, out=out, as_json=as_json, quiet=quiet, verbose=verbose
    )
    [plan] = load_scenarios([Path(near(scenarios_folder() / SCENARIO))])
    options = options_from(choices)
    console = console_for(choices)
    aloud = not (as_json or quiet)
    _tell(f"{plan.title}\n\n1. A healthy chat backend", aloud=aloud)
    [healthy] = play([plan], options, console)
    _tell(f"\n2. The same backend with one seeded defect: {MUTANTS[MUTANT].title}", aloud=aloud)
    [broken] = play([plan], replace(options, mutant=MUTANT), console)
    code = exit_code(healthy, broken, plan.catches[MUTANT])
    if as_json:
        typer.echo(document([healthy, broken], [], code))
    _tell(f"\n{_closing(code, plan.catches[MUTANT])}", aloud=aloud)
    return code


def exit_code(healthy: RunResult, broken: RunResult, check: str) -> int:
    """Return 0 when the healthy backend passed and ``check`` caught the defect, else the worst of what happened."""
    from harness.core.verdicts import Verdict, worst

    caught = any(result.id == check and result.verdict is Verdict.FAIL for result in broken.checks)
    # A defect that nobody caught is as bad as a broken promise; one that was caught is what the demo is for.
    missed = Verdict.FAIL if broken.verdict in {Verdict.PASS, Verdict.FAIL} else broken.verdict
    return worst([healthy.verdict, Verdict.PASS if caught else missed]).exit_code


def _closing(code: int, check: str) -> str:
    if code == 0:
        return f"Both as they should be: the healthy backend kept its promises, and {check} caught the defect."
    return "Not as it should be: the healthy backend has to pass, and the defect has to be caught."


def _tell(text: str, *, aloud: bool) -> None:
    if aloud:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
