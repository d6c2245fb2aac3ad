"""What the user chose for a session of runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_OUT = Path("chat-chaos-runs")
PLAYERS = ("harness.swarm",)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Choices that hold for every run of one command.

    ``proxy`` is a name of ``harness.stacks.proxy_choice``, None the same as ``auto``;
    ``stack`` overrides the scenarios' own; ``parameters`` are ``--set KEY=VALUE``; ``keep`` leaves the stack's data
    in the run folder; ``jobs`` runs go side by side; ``reruns`` is how often an inconclusive run is repeated;
    ``players`` is the module, with arguments, of the program that plays the people, which may take
    ``players_within_s`` until it is ready;
    ``worker`` is the process that shares the work with others, as run ids name it.
    """

    seed: int
    out: Path = DEFAULT_OUT
    stack: str | None = None
    launcher: str = "embedded"
    proxy: str | None = None
    mutant: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    jobs: int = 1
    fail_fast: bool = False
    keep: bool = False
    reruns: int = 2
    worker: str = ""
    players: tuple[str, ...] = PLAYERS
    players_within_s: float = 30.0
