"""Whether what a stack is made of is on this machine: programs, and virtual environments of the versions wanted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import EnvironmentFault
from harness.core.places import stacks_folder
from harness.core.stack import EmbeddedService, StackSpec, Venv
from harness.stacks.filling import fill
from harness.stacks.launchers import DOCKER, EMBEDDED
from harness.stacks.venvs import home_of

DEFAULT_STACK = "reference"


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a stack needs and this machine lacks: a sentence, and the way out."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what

    def fault(self) -> EnvironmentFault:
        """The error for whoever chose the stack all the same."""
        return EnvironmentFault(self.what, hint=self.remedy)


def absent(spec: StackSpec, launcher: str, environment: Mapping[str, str]) -> Missing | None:
    """Return the first thing for which a stack could not be started here; None where all is there.

    A virtual environment or an image that is not made yet counts as absent: making it takes minutes, which is for
    whoever asks for the stack by name. Raises ``EnvironmentFault`` where a container engine is needed and does not
    answer.
    """
    if launcher == DOCKER:
        return _image_lacking(spec, environment)
    return next(_lacking(spec, environment), None) if launcher == EMBEDDED else None


def optional(spec: StackSpec) -> bool:
    """Tell whether a stack is one of those that come along for who has the server; the reference backend is for all."""
    return Path(spec.source).parent == stacks_folder() and spec.name != DEFAULT_STACK


def without_program(spec: StackSpec, environment: Mapping[str, str]) -> Missing | None:
    """Return the first program that the services of a stack require and this machine lacks."""
    return next(
        (lack for name, program in _programs(spec) for lack in _not_there(spec, name, program, environment)), None
    )


def wanted_venv(spec: StackSpec, name: str, venv: Venv, environment: Mapping[str, str]) -> Venv:
    """Return the virtual environment of a service with its version filled in."""
    return replace(venv, version=_filled(spec, venv.version, environment, f"venv of service {name}"))


def _lacking(spec: StackSpec, environment: Mapping[str, str]) -> Iterator[Missing]:
    for name, program in _programs(spec):
        yield from _not_there(spec, name, program, environment)
        if program.venv is None:
            continue
        venv = wanted_venv(spec, name, program.venv, environment)
        if not home_of(venv, environment).is_dir():
            text = f"{venv.package} {venv.version} is not installed yet"
            yield Missing(f"stack {spec.name}: {text}", f"a run with --stack {spec.name} does that, once")


def _image_lacking(spec: StackSpec, environment: Mapping[str, str]) -> Missing | None:
    # Late: a client of a container engine is slow to load, and most runs need none.
    from harness.stacks.docker_client import connect  # noqa: PLC0415 - see above
    from harness.stacks.docker_images import is_here  # noqa: PLC0415 - see above
    from harness.stacks.docker_plan import programs_of  # noqa: PLC0415 - see above

    programs = programs_of(spec, environment)
    if not programs:
        return Missing(f"stack {spec.name} has no form for containers", "")
    client = connect()
    try:
        beside = Path(spec.source).parent
        lacking = next((name for name, program in programs.items() if not is_here(program, client, beside)), None)
    finally:
        client.close()
    if lacking is None:
        return None
    text = f"stack {spec.name}: the image of service {lacking} is not built yet"
    return Missing(text, f"a run with --stack {spec.name} does that, once")


def _programs(spec: StackSpec) -> Iterator[tuple[str, EmbeddedService]]:
    return ((name, service.embedded) for name, service in spec.services.items() if service.embedded is not None)


def _not_there(
    spec: StackSpec, name: str, program: EmbeddedService, environment: Mapping[str, str]
) -> Iterator[Missing]:
    for text in program.requires:
        wanted = _filled(spec, text, environment, f"requires of service {name}")
        if not (_matches(wanted) if "/" in wanted else shutil.which(wanted, path=environment.get("PATH"))):
            yield Missing(f"stack {spec.name} needs {wanted}, which this machine lacks", program.install)


def _matches(pattern: str) -> bool:
    root = Path(pattern).anchor
    return any(Path(root).glob(pattern.removeprefix(root)))


def _filled(spec: StackSpec, text: str, environment: Mapping[str, str], where: str) -> str:
    known = {f"parameters.{name}": value for name, value in spec.parameters.items()}
    return fill(text, known, environment=environment, where=f"stack {spec.name}, {where}")
