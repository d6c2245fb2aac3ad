"""Stack files: found by name or path, checked, and turned into what launchers and checks work with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from harness.core.errors import UsageError
from harness.core.places import stacks_folder
from harness.core.stack import (
    AbortRules,
    ComposeProject,
    ComposeService,
    DockerService,
    EmbeddedService,
    ExternalLink,
    ExternalService,
    ExternalSystem,
    Health,
    LinkSpec,
    Pins,
    Promises,
    ServiceSpec,
    StackSpec,
    Venv,
)
from harness.drivers import registry
from harness.providers.registry import kinds as provider_kinds
from harness.scenario.diagnostics import BadFile, did_you_mean
from harness.scenario.findings import check_findings, findings_of
from harness.scenario.matrix import PLACEHOLDER
from harness.scenario.mistakes import Mistake, mistakes_of
from harness.scenario.scene import unknown
from harness.scenario.source import Source, read_source
from harness.scenario.stackmodel import (
    AbortModel,
    ComposeModel,
    ComposeServiceModel,
    DockerModel,
    EmbeddedModel,
    ExternalLinkModel,
    ExternalServiceModel,
    HealthModel,
    LinkModel,
    PromisesModel,
    ServiceModel,
    StackModel,
    VenvModel,
)
from harness.scenario.units import quoted

SUFFIXES = (".yaml", ".yml")
_OF_THE_RUN = ("python", "venv", "data", "port", "control_port", "control_token", "mutant")
"""Placeholders that a launcher fills in for each service and run."""


def load_stack(name_or_path: str, *, parameters: Mapping[str, str] = MappingProxyType({})) -> StackSpec:
    """Read and check a stack file, by name (``reference``) or by path; ``parameters`` override its defaults.

    A parameter may be written with the stack's name before it (``reference.token_ttl``).
    Raises ``UsageError`` when there is no such stack or parameter, ``BadFile`` when the file is wrong.
    """
    path = find_stack_file(name_or_path)
    source = read_source(path)
    try:
        model = StackModel.model_validate(source.data)
    except ValidationError as error:
        mistakes = mistakes_of(error, StackModel, dict(source.data))
        raise BadFile([*source.problems, *source.locate(mistakes)]) from None
    if problems := [*source.problems, *source.locate(list(_check(model)))]:
        raise BadFile(problems)
    chosen = {key.removeprefix(f"{model.name}."): value for key, value in parameters.items()}
    for key in chosen:
        if key not in model.parameters:
            hint = did_you_mean(key, model.parameters) or "it has no parameters"
            raise UsageError(f"stack '{model.name}' has no parameter {quoted(key)}", hint=hint)
    return _spec(model, path, chosen, _driver_options(model, path, source))


def find_stack_file(name_or_path: str) -> Path:
    """Return the file of a stack: a path as it is, a name among the shipped stacks, then in the working folder."""
    if _is_path(name_or_path):
        if not (path := Path(name_or_path)).is_file():
            raise UsageError(f"there is no stack file {quoted(name_or_path)}", hint=_known_hint(path.stem))
        return path
    for folder in (stacks_folder(), Path()):
        for suffix in SUFFIXES:
            if (path := folder / f"{name_or_path}{suffix}").is_file():
                return path
    raise UsageError(f"there is no stack {quoted(name_or_path)}", hint=_known_hint(name_or_path))


def known_stacks() -> list[str]:
    """Names of the stacks that come with chat-chaos, sorted."""
    return sorted(path.stem for path in stacks_folder().iterdir() if path.suffix in SUFFIXES)


def _is_path(text: str) -> bool:
    return os.sep in text or text.endswith(SUFFIXES)


def _known_hint(name: str) -> str:
    return f"{did_you_mean(name, known_stacks())} (or give the path of a stack file)".strip()


def _check(model: StackModel) -> Iterator[Mistake]:
    if model.driver.kind not in (drivers := registry.kinds()):
        yield unknown("driver", model.driver.kind, ("driver", "kind"), drivers)
    for option, text in model.driver.__pydantic_extra__.items():
        yield from _check_text(("driver", option), text, ["python", *_named(model, "link", "parameters")])
    for name, link in model.links.items():
        yield from _check_link(model, name, link)
    for name, service in model.services.items():
        through = service.health.through if service.health else None
        if through is not None and through not in model.links:
            yield unknown("link", through, ("services", name, "health", "through"), model.links)
        yield from _check_placeholders(model, name, service)
    yield from check_findings(model)
    for name, provider in model.providers.items():
        if name in model.services:
            text = f"{quoted(name)} is also the name of a service: a link could not tell them apart"
            yield Mistake(("providers", name), "duplicate-name", text, on_key=True)
        if provider.kind not in (kinds := provider_kinds()):
            yield unknown("kind of provider", provider.kind, ("providers", name, "kind"), kinds)


def _check_link(model: StackModel, name: str, link: LinkModel) -> Iterator[Mistake]:
    source, _, end = name.partition("->")
    ends = [*model.services, *model.providers]
    noun = "service or provider" if model.providers else "service"
    if link.to is not None and link.to not in ends:
        yield unknown(noun, link.to, ("links", name, "to"), ends)
    elif link.to is None and end not in ends:
        yield unknown(noun, end, ("links", name), ends, on_key=True)
    if source != "client" and source not in model.services:
        yield unknown("service", source, ("links", name), ["client", *model.services], on_key=True)
    if link.per_person is not None and source != "client":
        text = "only links that start at 'client' can be made for single people"
        yield Mistake(("links", name, "per_person"), "bad-value", text)


def _check_placeholders(model: StackModel, name: str, service: ServiceModel) -> Iterator[Mistake]:
    known = _placeholders(model)
    for inner, text in _texts(service):
        yield from _check_text(("services", name, *inner), text, known)


def _check_text(path: tuple[str | int, ...], text: str, known: Sequence[str]) -> Iterator[Mistake]:
    for word in PLACEHOLDER.findall(text):
        if word not in known and not (word.startswith("env.") and len(word) > len("env.")):
            suggestion = did_you_mean(word, known)
            yield Mistake(path, "placeholder", f"nothing is called {quoted('${' + word + '}')}", suggestion)
    if "${" in PLACEHOLDER.sub("", text):
        yield Mistake(path, "placeholder", "'${' is never closed by '}'")


def _texts(service: ServiceModel) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Everything that a launcher fills in, each with its place below the service."""
    forms: list[tuple[str, EmbeddedModel | DockerModel | None]] = [
        ("embedded", service.embedded),
        ("docker", service.docker),
    ]
    for form, program in forms:
        if program is not None:
            yield from (((form, "run", index), text) for index, text in enumerate(program.run))
            yield from (((form, "env", key), text) for key, text in program.env.items())
    if service.embedded is not None:
        yield from _preparing(service.embedded)
    if service.external is not None:
        yield ("external", "address"), service.external.address
        yield ("external", "upstream"), service.external.upstream or ""


def _preparing(program: EmbeddedModel) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from ((("embedded", "files", name), text) for name, text in program.files.items())
    yield from ((("embedded", "requires", index), text) for index, text in enumerate(program.requires))
    for number, command in enumerate(program.prepare):
        yield from ((("embedded", "prepare", number, index), text) for index, text in enumerate(command))
    if program.venv is not None:
        yield ("embedded", "venv", "version"), program.venv.version


def _placeholders(model: StackModel) -> list[str]:
    return [*_OF_THE_RUN, *_named(model, "link", "service", "port", "parameters")]


def _named(model: StackModel, *groups: str) -> list[str]:
    """What the stack file itself gives names to, as placeholders: ``link.client->chat``."""
    names: dict[str, Iterable[str]] = {
        "link": model.links,
        "service": model.services,
        "port": model.services,
        "parameters": model.parameters,
    }
    return [f"{group}.{name}" for group in groups for name in names[group]]


def _driver_options(model: StackModel, path: Path, source: Source) -> dict[str, str]:
    """Return what the driver is given; files that it needs lie beside the stack file."""
    try:
        return dict(registry.settle(model.driver.kind, model.driver.__pydantic_extra__, path.parent))
    except BadFile:
        raise
    except UsageError as problem:
        raise BadFile(source.locate([Mistake(("driver",), "bad-value", problem.what, problem.hint)])) from None


def _spec(model: StackModel, path: Path, parameters: Mapping[str, str], driver_options: dict[str, str]) -> StackSpec:
    return StackSpec(
        name=model.name,
        source=path.as_posix(),
        driver=model.driver.kind,
        driver_options=driver_options,
        capabilities=frozenset(model.capabilities),
        promises=_promises(model.promises),
        parameters={name: item.default for name, item in model.parameters.items()} | dict(parameters),
        services={name: _service(name, service) for name, service in model.services.items()},
        links={name: _link(name, link) for name, link in model.links.items()},
        providers={name: provider.kind for name, provider in model.providers.items()},
        control=model.control,
        external=ExternalSystem(model.external.toxiproxy, tuple(model.external.allow)),
        abort=_abort(model.abort),
        compose=_project(model.compose),
        findings=findings_of(model),
        simulated=model.simulated,
    )


def _project(model: ComposeModel | None) -> ComposeProject:
    return ComposeProject() if model is None else ComposeProject(tuple(model.files or ()), model.project)


def _abort(model: AbortModel) -> AbortRules:
    return AbortRules(
        after_s=model.after,
        unhealthy_for_s=model.unhealthy_for,
        proxy_silent_for_s=model.proxy_silent_for,
        baseline_errors=model.baseline_errors,
        baseline_latency_s=model.baseline_latency,
    )


def _promises(model: PromisesModel) -> Promises:
    return Promises(
        durability=model.durability,
        order=model.order,
        idempotency_window_s=model.idempotency_window,
        retention_s=model.retention,
        deliver_within_s=model.deliver_within,
        receipts=None if model.receipts is None else tuple(model.receipts),
        push_content=model.push_content,
        server_time=model.server_time,
    )


def _health(model: HealthModel) -> Health:
    return Health(model.http or f"xmpp:{model.xmpp}", model.through, model.within)


def _service(name: str, model: ServiceModel) -> ServiceSpec:
    health = _health(model.health) if model.health else None
    embedded = _embedded(model.embedded) if model.embedded else None
    return ServiceSpec(
        name,
        health,
        embedded,
        model.clock,
        _docker(model.docker),
        _external(model.external),
        _composed(name, model.compose),
    )


def _composed(name: str, model: ComposeServiceModel | None) -> ComposeService | None:
    return None if model is None else ComposeService(model.service or name, model.port)


def _embedded(model: EmbeddedModel) -> EmbeddedService:
    return EmbeddedService(
        run=tuple(model.run),
        requires=tuple(model.requires),
        install=model.install,
        env=dict(model.env),
        venv=_venv(model.venv) if model.venv else None,
        files=dict(model.files),
        prepare=tuple(map(tuple, model.prepare)),
    )


def _venv(model: VenvModel) -> Venv:
    return Venv(model.package, model.version, tuple(Pins(each.below, tuple(each.packages)) for each in model.pins))


def _external(model: ExternalServiceModel | None) -> ExternalService | None:
    return None if model is None else ExternalService(model.address, model.upstream or model.address)


def _docker(model: DockerModel | None) -> DockerService | None:
    if model is None:
        return None
    return DockerService(
        port=model.port,
        image=model.image,
        build=model.build,
        replicas=model.replicas,
        run=tuple(model.run),
        env=dict(model.env),
        data=model.data,
    )


def _link(name: str, model: LinkModel) -> LinkSpec:
    source, _, service = name.partition("->")
    launchers = None if model.launchers is None else tuple(model.launchers)
    return LinkSpec(
        name,
        source,
        model.to or service,
        per_person=model.per_person is not None,
        launchers=launchers,
        external=_external_link(model.external),
    )


def _external_link(model: ExternalLinkModel | None) -> ExternalLink:
    return ExternalLink() if model is None else ExternalLink(model.proxy, model.listen)
