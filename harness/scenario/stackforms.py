"""The services of a stack file as launchers start them: what is said for all forms, with what each form adds."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.stack import (
    ComposeService,
    DockerService,
    EmbeddedService,
    ExternalService,
    Health,
    Pins,
    ServiceSpec,
    Venv,
)
from harness.scenario.stackmodel import (
    ComposeServiceModel,
    ExternalServiceModel,
    HealthModel,
    ServiceModel,
    VenvModel,
)


def given(model: ServiceModel, parameters: Mapping[str, str]) -> bool:
    """Whether a service is there under these parameters."""
    return all(parameters.get(name) in values for name, values in model.given.items())


def service_of(name: str, model: ServiceModel) -> ServiceSpec:
    """Return a service with all its forms."""
    return ServiceSpec(
        name,
        _health(model.health) if model.health else None,
        _embedded(model),
        model.clock,
        _docker(model),
        _external(model.external),
        _composed(name, model.compose),
        dict(model.ports),
    )


def _health(model: HealthModel) -> Health:
    asked = model.http or (f"xmpp:{model.xmpp}" if model.xmpp else f"postgres:{model.postgres}")
    return Health(asked, model.through or "", model.within)


def _embedded(service: ServiceModel) -> EmbeddedService | None:
    model = service.embedded
    if model is None:
        return None
    return EmbeddedService(
        run=tuple(model.run or service.run),
        requires=tuple(model.requires),
        install=model.install,
        env={**service.env, **model.env},
        venv=_venv(model.venv or service.venv),
        files={**service.files, **model.files},
        prepare=tuple(map(tuple, model.prepare)),
    )


def _docker(service: ServiceModel) -> DockerService | None:
    model = service.docker
    if model is None:
        return None
    return DockerService(
        port=model.port,
        image=model.image,
        build=model.build,
        args=dict(model.args),
        venv=_venv(service.venv),
        replicas=model.replicas,
        run=tuple(model.run or service.run),
        env={**service.env, **model.env},
        files={**service.files, **model.files},
        data=model.data,
    )


def _venv(model: VenvModel | None) -> Venv | None:
    if model is None:
        return None
    pins = tuple(Pins(each.below, tuple(each.packages)) for each in model.pins)
    return Venv(model.package, model.version, pins, tuple(model.extras))


def _external(model: ExternalServiceModel | None) -> ExternalService | None:
    return None if model is None else ExternalService(model.address, model.upstream or model.address)


def _composed(name: str, model: ComposeServiceModel | None) -> ComposeService | None:
    return None if model is None else ComposeService(model.service or name, model.port)
