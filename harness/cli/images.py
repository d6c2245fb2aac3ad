"""``chat-chaos stack images``: make beforehand what the docker launcher needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as flags

if TYPE_CHECKING:
    from harness.core.stack import DockerService

Stacks = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STACK]...", help="Stacks; without any all that come with chat-chaos."),
]


def images(stacks: Stacks = None, settings: flags.Settings = None) -> int:
    """Build or pull the images that the docker launcher needs for stacks and this machine lacks.

    Every run does that for itself; a machine that others wait for may have it done beforehand. A parameter that decides
    what is built, as `synapse.version`, makes another image.
    """
    from contextlib import closing

    from harness.stacks.docker_client import connect
    from harness.stacks.docker_images import image_here

    with closing(connect()) as client:
        tags = (image_here(service, client, beside=beside) for service, beside in _wanted(stacks, settings))
        for tag in dict.fromkeys(tags):
            typer.echo(f"{tag}  {client.images.get(tag).attrs['Size'] / 1e6:.0f} MB")
    return 0


def _wanted(stacks: list[str] | None, settings: list[str] | None) -> Iterator[tuple[DockerService, Path]]:
    """What is needed for any stack, then for each; with the folder that its builds are beside."""
    import os

    from harness.core.stack import DockerService
    from harness.scenario.stackfile import known_stacks, load_stack
    from harness.stacks.docker_images import OWN
    from harness.stacks.docker_plan import programs_of

    yield from ((DockerService(port=None, build=build), Path()) for build in OWN)
    chosen = flags.parameters(settings)
    for name in stacks or known_stacks():
        its = {key: value for key, value in chosen.items() if "." not in key or key.startswith(f"{Path(name).stem}.")}
        spec = load_stack(name, parameters=its)
        yield from ((program, Path(spec.source).parent) for program in programs_of(spec, os.environ).values())
