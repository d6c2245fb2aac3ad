"""Writes the reference pages of ``docs/`` from the registries: ``python -m harness.cli.reference_pages docs``.

A test compares the pages with what this writes, so that they cannot fall behind the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from harness.checks.catalogue import Check, checks
from harness.checks.levels import LEVELS
from harness.cli.main import app
from harness.drivers.defects import DEFECTS
from harness.faults.api import FaultKind, Param
from harness.faults.registry import kinds
from harness.reference.mutants import MUTANTS

NOTICE = "<!-- Written by `make docs`; change the code, not this page. -->"


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {
        "cli.md": _page("Command line", _cli()),
        "checks.md": _page("Checks", _checks()),
        "faults.md": _page("Faults", (line for kind in kinds().values() for line in _fault(kind))),
        "mutants.md": _page("Mutants", _mutants()),
    }


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([NOTICE, f"# {title}", "", *lines]).rstrip() + "\n"


def _cli() -> Iterator[str]:
    command = typer.main.get_command(app)
    context = command.make_context("chat-chaos", [], resilient_parsing=True)
    yield from _command("chat-chaos", command, context)


def _command(path: str, command: Any, context: Any) -> Iterator[str]:
    yield from (f"## `{path}`", "")
    yield from (*_paragraphs(command.help), "")
    parameters = [parameter for parameter in command.get_params(context) if not _hidden(parameter)]
    yield from ("| | |", "| --- | --- |")
    yield from (_row(parameter, context) for parameter in parameters)
    yield ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(f"{path} {name}", inner, type(context)(inner, info_name=name, parent=context))


def _hidden(parameter: Any) -> bool:
    return parameter.name in {"help", "install_completion", "show_completion"}


def _row(parameter: Any, context: Any) -> str:
    name, text = parameter.get_help_record(context) or (parameter.make_metavar(context), "")
    return f"| `{_cell(name)}` | {_cell(text)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraphs(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").strip().splitlines()]


def _checks() -> Iterator[str]:
    for check in checks().values():
        yield from _check(check)
    yield from ("## Service levels", "")
    yield from ("What a scenario may bound under `expect: slo:`, and what is measured in any case.", "")
    yield "Times count from the moment a message was due. A bound is broken, or kept, when the whole interval of 95% is"
    yield from ("beyond it, or within.", "", "| service level | |", "| --- | --- |")
    yield from (f"| `{level.id}` | {_cell(level.title)} |" for level in LEVELS)


def _check(check: Check) -> Iterator[str]:
    yield from (f"## `{check.id}`", "", f"{check.title}.", "")
    yield f"- Judged when the stack promises: {check.promise}"
    yield f"- Whose behaviour: {check.subject}"
    yield f"- Severity: {check.severity}"
    needs = f"Needs events: {', '.join(f'`{name}`' for name in check.needs)}"
    yield f"- {needs if check.reads == 'history' else 'Reads the logs of the run, not its history'}"
    yield from (f"- Exercised by at least {check.minimum} item(s) when a scenario requires it", "")


def _fault(kind: FaultKind) -> Iterator[str]:
    ending = "until it is healed, or `for` so long" if kind.duration == "optional" else "it ends by itself"
    yield from (f"## `{kind.kind}`", "", f"{kind.summary[:1].upper()}{kind.summary[1:]}.", "")
    yield from (f"Acts on a {kind.targets}; {ending}.", "")
    if kind.params:
        yield from ("| parameter | type | default | |", "| --- | --- | --- | --- |")
        yield from (_param(name, param) for name, param in kind.params.items())
        yield ""


def _param(name: str, param: Param) -> str:
    default = "required" if param.required else _default(param)
    choices = f" One of {', '.join(param.choices)}." if param.choices else ""
    return f"| `{name}` | {param.type} | {default} | {_cell(param.summary)}{choices} |"


def _default(param: Param) -> str:
    if param.default is None:
        return "none"
    unit = " s" if param.type == "duration" else " bytes" if param.type == "size" else ""
    return f"{param.default}{unit}"


def _mutants() -> Iterator[str]:
    yield from ("Defects of the reference backend, each of which some scenario has to catch.", "")
    yield from ("## Of the backend", "")
    for mutant in MUTANTS.values():
        yield from (f"### `{mutant.name}`", "", f"It {mutant.title}.", "", mutant.text, "")
    yield from ("## Of the client", "", "Played by a naive client instead of the correct one.", "")
    for defect in DEFECTS.values():
        yield from (f"### `{defect.name}`", "", f"It {defect.title}.", "", defect.text, "")


def main() -> None:
    """Write the pages into the folder that the command line names."""
    [folder] = map(Path, sys.argv[1:])
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
