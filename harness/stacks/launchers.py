"""The ways of starting a stack, by the names that users give."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from harness.core.stack import StackSpec
from harness.stacks.api import Launcher

EMBEDDED, DOCKER, COMPOSE, EXTERNAL = "embedded", "docker", "compose", "external"
_CLASSES = {
    EMBEDDED: "harness.stacks.embedded:EmbeddedLauncher",
    DOCKER: "harness.stacks.docker_launcher:DockerLauncher",
    COMPOSE: "harness.stacks.compose:ComposeLauncher",
    EXTERNAL: "harness.stacks.external:ExternalLauncher",
}
LAUNCHERS = tuple(_CLASSES)
IN_CONTAINERS = frozenset({DOCKER, COMPOSE})


def launcher(name: str) -> Launcher:
    """Return the launcher of one of the names in ``LAUNCHERS``; KeyError for any other."""
    # Imported only now: a client of a container engine is slow to load, and most runs need none.
    module, _, made = _CLASSES[name].partition(":")
    return cast("Callable[[], Launcher]", getattr(import_module(module), made))()


def check_launcher(name: str) -> None:
    """Raise ``EnvironmentFault``, with the way out, when this machine lacks what a launcher needs."""
    if name in IN_CONTAINERS:
        from harness.stacks.docker_client import connect  # noqa: PLC0415 - as above

        connect().close()


def outlives_runs(name: str, spec: StackSpec) -> bool:
    """Tell whether a launcher meets a system that has others' data and goes on after the run."""
    return name == EXTERNAL or (name == COMPOSE and spec.compose.project is not None)
