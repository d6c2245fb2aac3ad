"""Stack files: found by name or path, checked, and turned into what launchers and checks work with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from harness.core.errors import UsageError
from harness.core.places import stacks_folder
from harness.core.stack import (
    AbortRules,
    ComposeProject,
    ExternalLink,
    ExternalSystem,
    LinkSpec,
    Promises,
    StackSpec,
)
from harness.drivers import registry
from harness.providers.registry import kinds as provider_kinds
from harness.scenario.diagnostics import BadFile, did_you_mean
from harness.scenario.findings import check_findings, findings_of
from harness.scenario.mistakes import Mistake, mistakes_of
from harness.scenario.scene import unknown
from harness.scenario.source import Source, read_source
from harness.scenario.stackforms import given, service_of
from harness.scenario.stackmodel import (
    AbortModel,
    ComposeModel,
    ExternalLinkModel,
    LinkModel,
    PromisesModel,
    ServiceModel,
    StackModel,
)
from harness.scenario.stacktexts import check_texts
from harness.scenario.units import quoted

SUFFIXES = (".yaml", ".yml")


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
    for key, value in chosen.items():
        if key not in model.parameters:
            hint = did_you_mean(key, model.parameters) or "it has no parameters"
            raise UsageError(f"stack '{model.name}' has no parameter {quoted(key)}", hint=hint)
        _check_value(model, key, value)
    return _spec(model, path, chosen, _driver_options(model, path, source))


def _check_value(model: StackModel, name: str, value: str) -> None:
    values = model.parameters[name].values
    if values is not None and value not in values:
        hint = did_you_mean(value, values) or f"it is one of: {', '.join(values)}"
        raise UsageError(f"stack '{model.name}': parameter {quoted(name)} cannot be {quoted(value)}", hint=hint)


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
    yield from check_texts(model)
    for name, link in model.links.items():
        yield from _check_link(model, name, link)
    for name, service in model.services.items():
        through = service.health.through if service.health else None
        if through is not None and through not in model.links:
            yield unknown("link", through, ("services", name, "health", "through"), model.links)
        yield from _check_given(model, name, service)
    yield from check_findings(model)
    for name, provider in model.providers.items():
        if name in model.services:
            text = f"{quoted(name)} is also the name of a service: a link could not tell them apart"
            yield Mistake(("providers", name), "duplicate-name", text, on_key=True)
        if provider.kind not in (kinds := provider_kinds()):
            yield unknown("kind of provider", provider.kind, ("providers", name, "kind"), kinds)


def _check_given(model: StackModel, name: str, service: ServiceModel) -> Iterator[Mistake]:
    for parameter, wanted in service.given.items():
        place: tuple[str | int, ...] = ("services", name, "given", parameter)
        if parameter not in model.parameters:
            yield unknown("parameter", parameter, place, model.parameters, on_key=True)
            continue
        values = model.parameters[parameter].values
        yield from (
            unknown("value of the parameter", value, (*place, index), values)
            for index, value in enumerate(wanted)
            if values is not None and value not in values
        )


def _check_link(model: StackModel, name: str, link: LinkModel) -> Iterator[Mistake]:
    source, _, end = name.partition("->")
    ends = [*model.services, *model.providers]
    yield from _check_port(model, name, link)
    noun = "service or provider" if model.providers else "service"
    if link.to is not None and link.to not in ends:
        yield unknown(noun, link.to, ("links", name, "to"), ends)
    elif link.to is None and end not in ends:
        yield unknown(noun, end, ("links", name), ends, on_key=True)
    if link.from_ is not None and source == "client":
        yield Mistake(("links", name, "from"), "bad-value", "a link that starts at 'client' is the people's own")
    elif link.from_ is not None and link.from_ not in model.services:
        yield unknown("service", link.from_, ("links", name, "from"), model.services)
    elif link.from_ is None and source != "client" and source not in model.services:
        yield unknown("service", source, ("links", name), ["client", *model.services], on_key=True)
    if link.per_person is not None and source != "client":
        text = "only links that start at 'client' can be made for single people"
        yield Mistake(("links", name, "per_person"), "bad-value", text)


def _check_port(model: StackModel, name: str, link: LinkModel) -> Iterator[Mistake]:
    service = model.services.get(link.to or name.partition("->")[2])
    if link.port is None or service is None:
        return
    if link.port not in service.ports:
        yield unknown("port of the service", link.port, ("links", name, "port"), service.ports)
    elif service.external is not None or service.compose is not None:
        text = "further ports are known only of services that are started as processes or containers"
        yield Mistake(("links", name, "port"), "bad-value", text)


def _driver_options(model: StackModel, path: Path, source: Source) -> dict[str, str]:
    """Return what the driver is given; files that it needs lie beside the stack file."""
    try:
        return dict(registry.settle(model.driver.kind, model.driver.__pydantic_extra__, path.parent))
    except BadFile:
        raise
    except UsageError as problem:
        raise BadFile(source.locate([Mistake(("driver",), "bad-value", problem.what, problem.hint)])) from None


def _spec(model: StackModel, path: Path, parameters: Mapping[str, str], driver_options: dict[str, str]) -> StackSpec:
    settled = {name: item.default for name, item in model.parameters.items()} | dict(parameters)
    services = {name: service_of(name, service) for name, service in model.services.items() if given(service, settled)}
    links = {name: _link(name, link) for name, link in model.links.items()}
    left_out = model.services.keys() - services
    absent = tuple(name for name, link in links.items() if {link.source, link.service} & left_out)
    return StackSpec(
        name=model.name,
        source=path.as_posix(),
        driver=model.driver.kind,
        driver_options=driver_options,
        capabilities=frozenset(model.capabilities),
        promises=_promises(model.promises),
        parameters=settled,
        services=services,
        links={name: link for name, link in links.items() if name not in absent},
        providers={name: provider.kind for name, provider in model.providers.items()},
        control=model.control,
        external=ExternalSystem(model.external.toxiproxy, tuple(model.external.allow)),
        abort=_abort(model.abort),
        compose=_project(model.compose),
        findings=findings_of(model),
        absent=absent,
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


def _link(name: str, model: LinkModel) -> LinkSpec:
    source, _, service = name.partition("->")
    launchers = None if model.launchers is None else tuple(model.launchers)
    return LinkSpec(
        name,
        model.from_ or source,
        model.to or service,
        per_person=model.per_person is not None,
        launchers=launchers,
        external=_external_link(model.external),
        port=model.port,
    )


def _external_link(model: ExternalLinkModel | None) -> ExternalLink:
    return ExternalLink() if model is None else ExternalLink(model.proxy, model.listen)
