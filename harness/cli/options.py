"""Flags that mean the same in every command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.core.errors import UsageError


class LauncherName(StrEnum):
    """Ways of starting a stack."""

    EMBEDDED = "embedded"
    DOCKER = "docker"
    COMPOSE = "compose"
    EXTERNAL = "external"


class ProxyName(StrEnum):
    """Layer-4 proxy servers: ``harness.stacks.proxy_choice`` says what each is."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    TOXIPROXY = "toxiproxy"
    IMAGE = "image"


Stack = Annotated[
    str | None,
    typer.Option("--stack", metavar="NAME|FILE", help="Stack to test instead of the one that the scenario names."),
]
Launcher = Annotated[LauncherName, typer.Option("--launcher", help="How the stack is started.")]
Proxy = Annotated[
    ProxyName,
    typer.Option(
        "--proxy",
        help="Which proxy server the links run through; auto takes the real Toxiproxy where it can carry the scenario.",
    ),
]
SeedNumber = Annotated[
    int | None,
    typer.Option("--seed", min=0, metavar="N", help="Source of all chance; a fresh one is drawn and printed."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a parameter of the stack; repeatable.")
]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", file_okay=False, help="Folder in which each run gets a folder of its own."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict lines only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show phases, rungs of the faults and every check.")]

DEFAULT_OUT = Path("chat-chaos-runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The common flags of the commands that run scenarios."""

    stack: str | None = None
    launcher: LauncherName = LauncherName.EMBEDDED
    proxy: ProxyName = ProxyName.AUTO
    seed: int | None = None
    settings: list[str] | None = None
    out: Path = DEFAULT_OUT
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


def parameters(settings: list[str] | None) -> dict[str, str]:
    """Read ``KEY=VALUE`` pairs; the last one of a key counts.

    Raises ``UsageError`` for a pair without a key or without ``=``.
    """
    pairs = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise UsageError(f"--set {setting!r} is not KEY=VALUE", hint="for example: --set version=2")
        pairs[key] = value
    return pairs
