"""Which Toxiproxy-compatible server a run goes through, and why; the choice itself starts nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core.errors import EnvironmentFault, UsageError

AUTO, EMBEDDED, TOXIPROXY, IMAGE = "auto", "embedded", "toxiproxy", "image"

PROXIES: Mapping[str, str] = {
    AUTO: "the real Toxiproxy where there is one and it can carry the scenario, else our own server",
    EMBEDDED: "our own server: no Docker, no binary, live counters",
    TOXIPROXY: "a toxiproxy-server of this machine",
    IMAGE: "the Toxiproxy image, in a container",
}

EXTENSIONS: Mapping[str, str] = {
    "proxy.toxics_at_creation": "toxics made together with their proxy",
    "proxy.seed": "chance that comes from the seed",
    "proxy.reset_open": "a reset of connections that are open already",
    "proxy.half_close": "a connection that is closed in one direction only",
    "proxy.connections": "a list of the open connections, and a way to end them",
    "proxy.counters": "counters of live connections",
}
"""What only the embedded server can, by the names that a scenario's ``needs`` may give."""

BINARY_VARIABLE = "CHAT_CHAOS_TOXIPROXY"
HOW_TO_GET_TOXIPROXY = (
    "go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0, then "
    f'{BINARY_VARIABLE}="$(go env GOPATH)/bin/server"; or a toxiproxy-server on PATH'
)

_IN_CONTAINERS = frozenset({"docker", "compose"})


@dataclass(frozen=True, slots=True)
class Choice:
    """A server by name, never ``auto``, and the reason for the report."""

    proxy: str
    why: str


def find_toxiproxy(environment: Mapping[str, str] | None = None) -> str | None:
    """Path of the real Toxiproxy: what CHAT_CHAOS_TOXIPROXY names, else ``toxiproxy-server`` on PATH, else None."""
    found = os.environ if environment is None else environment
    return shutil.which(found.get(BINARY_VARIABLE) or "toxiproxy-server", path=found.get("PATH"))


def check_proxy(wanted: str, launcher: str, environment: Mapping[str, str] | None = None) -> None:
    """Refuse a server that there is not, or that this launcher cannot use.

    Raises ``UsageError`` for a choice that can never work, ``EnvironmentFault`` for one that this machine lacks.
    """
    if wanted not in PROXIES:
        raise UsageError(f"there is no proxy {wanted!r}", hint=f"known: {', '.join(PROXIES)}")
    if wanted == IMAGE:
        from harness.stacks.docker_client import connect  # noqa: PLC0415 - the Docker SDK takes its time

        connect(environment).close()
    if wanted != TOXIPROXY:
        return
    if launcher in _IN_CONTAINERS:
        raise UsageError(
            f"containers of the {launcher} launcher cannot run through a toxiproxy-server of this machine",
            hint="choose --proxy image or --proxy embedded, which run in a container themselves",
        )
    if find_toxiproxy(environment) is None:
        raise EnvironmentFault("the real Toxiproxy was not found", hint=HOW_TO_GET_TOXIPROXY)


def choose(
    wanted: str, launcher: str, obstacles: Sequence[str], environment: Mapping[str, str] | None = None
) -> Choice:
    """Choose the server of a run; ``obstacles`` say why the real Toxiproxy could not carry its scenario."""
    if wanted != AUTO:
        return Choice(wanted, f"asked for by --proxy {wanted}")
    if obstacles:
        return Choice(EMBEDDED, "; ".join(obstacles))
    if launcher in _IN_CONTAINERS:
        return Choice(IMAGE, "the real Toxiproxy can carry this scenario")
    binary = find_toxiproxy(environment)
    if binary is None:
        return Choice(EMBEDDED, f"there is no toxiproxy-server on PATH, nor does {BINARY_VARIABLE} name one")
    return Choice(TOXIPROXY, f"{binary} was found and can carry this scenario")
