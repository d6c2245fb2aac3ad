"""The entry point: commands and their names, nothing heavy.

Each command imports what it needs when it is called, so that help and completion answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from harness import __version__
from harness.cli.boundary import ends_with_code, exit_code_of
from harness.cli.check import check
from harness.cli.demo import demo
from harness.cli.explain import explain
from harness.cli.images import images
from harness.cli.listing import list_
from harness.cli.load import load
from harness.cli.mutants import mutants
from harness.cli.proxy import serve
from harness.cli.report import report
from harness.cli.run import run
from harness.cli.schema import schema
from harness.cli.stack import prune, up
from harness.cli.trace import trace
from harness.cli.validate import validate

# Plain help: rendering it with rich would triple the time that it takes.
app = typer.Typer(
    name="chat-chaos",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
proxy = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The proxy that links run through.")
stack = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="What runs start.")

_COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "run": run,
    "load": load,
    "validate": validate,
    "explain": explain,
    "list": list_,
    "schema": schema,
    "mutants": mutants,
    "check": check,
    "trace": trace,
    "report": report,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(ends_with_code(_command))
proxy.command("serve")(ends_with_code(serve))
app.add_typer(proxy, name="proxy")
stack.command("up")(ends_with_code(up))
stack.command("images")(ends_with_code(images))
stack.command("prune")(ends_with_code(prune))
app.add_typer(stack, name="stack")


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chat-chaos {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and exit.")
]


@app.callback()
def _about(*, version: Version = False) -> None:
    """Prove that no chat message is lost, doubled or stuck when the network, a process or the clock misbehaves.

    Exit codes: 0 all held, 1 a promise was broken, 2 usage or a bad file, 3 error of the environment, 4 inconclusive,
    5 nothing selected, 70 defect of the harness, 130 interrupted.
    """


def main() -> None:
    """Run the command line and end the program with its exit code."""
    sys.exit(exit_code_of(_invoke))


def _invoke() -> int:
    try:
        app(prog_name="chat-chaos")
    except SystemExit as ending:
        if isinstance(ending.code, int):
            return ending.code
    return 0


if __name__ == "__main__":
    main()
