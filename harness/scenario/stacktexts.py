"""What a launcher fills into the texts of a stack file, and the placeholders in them that stand for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.scenario.diagnostics import did_you_mean
from harness.scenario.matrix import PLACEHOLDER
from harness.scenario.mistakes import Mistake
from harness.scenario.stackmodel import DockerModel, EmbeddedModel, ServiceModel, StackModel
from harness.scenario.units import quoted

_OF_THE_RUN = ("python", "venv", "data", "host", "port", "control_port", "control_token", "mutant")
"""Placeholders that a launcher fills in for each service and run."""

Place = tuple[str | int, ...]


def check_texts(model: StackModel) -> Iterator[Mistake]:
    """Yield what is wrong with placeholders in options of the driver and in services."""
    for option, text in model.driver.__pydantic_extra__.items():
        yield from _check(("driver", option), text, ["python", *_named(model, "link", "parameters")])
    for name, service in model.services.items():
        further = [f"ports.{port}" for port in service.ports]
        known = [*_OF_THE_RUN, *further, *_named(model, "link", "service", "parameters")]
        for inner, text in _texts(service):
            yield from _check(("services", name, *inner), text, known)
        for arg, text in ({} if service.docker is None else service.docker.args).items():
            place = ("services", name, "docker", "args", arg)
            yield from _check(place, text, _named(model, "parameters") + ["requirements"] * (service.venv is not None))


def _check(path: Place, text: str, known: Sequence[str]) -> Iterator[Mistake]:
    for word in PLACEHOLDER.findall(text):
        if word not in known and not (word.startswith("env.") and len(word) > len("env.")):
            suggestion = did_you_mean(word, known)
            yield Mistake(path, "placeholder", f"nothing is called {quoted('${' + word + '}')}", suggestion)
    if "${" in PLACEHOLDER.sub("", text):
        yield Mistake(path, "placeholder", "'${' is never closed by '}'")


def _texts(service: ServiceModel) -> Iterator[tuple[Place, str]]:
    """Everything that a launcher fills in, each with its place below the service."""
    forms: list[tuple[Place, ServiceModel | EmbeddedModel | DockerModel | None]] = [
        ((), service),
        (("embedded",), service.embedded),
        (("docker",), service.docker),
    ]
    for place, form in forms:
        if form is not None:
            yield from (((*place, "run", index), text) for index, text in enumerate(form.run))
            yield from (((*place, "env", key), text) for key, text in form.env.items())
            yield from (((*place, "files", name), text) for name, text in form.files.items())
    if service.venv is not None:
        yield ("venv", "version"), service.venv.version
    if service.embedded is not None:
        yield from _preparing(service.embedded)
    if service.external is not None:
        yield ("external", "address"), service.external.address
        yield ("external", "upstream"), service.external.upstream or ""


def _preparing(program: EmbeddedModel) -> Iterator[tuple[Place, str]]:
    yield from ((("embedded", "requires", index), text) for index, text in enumerate(program.requires))
    for number, command in enumerate(program.prepare):
        yield from ((("embedded", "prepare", number, index), text) for index, text in enumerate(command))
    if program.venv is not None:
        yield ("embedded", "venv", "version"), program.venv.version


def _named(model: StackModel, *groups: str) -> list[str]:
    """What the stack file itself gives names to, as placeholders: ``link.client->chat``."""
    names: dict[str, Iterable[str]] = {
        "link": model.links,
        "service": model.services,
        "parameters": model.parameters,
    }
    return [f"{group}.{name}" for group in groups for name in names[group]]
