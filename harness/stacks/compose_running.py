"""Where a compose project that runs already is reached: by the ports that it publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.core.errors import EnvironmentFault
from harness.core.stack import ComposeService, ExternalService, ExternalSystem, ServiceSpec, StackSpec
from harness.stacks.docker_calls import Calls
from harness.stacks.ports import LOOPBACK

PROJECT_LABEL, SERVICE_LABEL = "com.docker.compose.project", "com.docker.compose.service"
_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - where somebody else's ports are published


async def addressed(spec: StackSpec, calls: Calls) -> StackSpec:
    """Return the stack with the addresses of its services' published ports, as if it ran elsewhere.

    A service that publishes none has no address. Raises ``EnvironmentFault`` when nothing of the project runs.
    """
    project = spec.compose.project

    def look(api: Any) -> list[Mapping[str, Any]]:
        return list(api.containers(filters={"label": f"{PROJECT_LABEL}={project}"}))

    running = await calls(f"look for project {project}", look)
    if not running:
        raise EnvironmentFault(
            f"no container of compose project {project!r} runs",
            hint="start it, or correct `compose: {project: ...}` of the stack file",
        )
    services = {name: _with_address(service, running) for name, service in spec.services.items()}
    return replace(spec, services=services, external=ExternalSystem(allow=spec.external.allow))


def _with_address(service: ServiceSpec, running: list[Mapping[str, Any]]) -> ServiceSpec:
    found = None if service.compose is None else _published(service.compose, running)
    return replace(service, external=None if found is None else ExternalService(found, found))


def _published(service: ComposeService, running: list[Mapping[str, Any]]) -> str | None:
    for container in running:
        if container["Labels"].get(SERVICE_LABEL) != service.service:
            continue
        for port in container.get("Ports") or ():
            if port["PrivatePort"] == service.port and "PublicPort" in port:
                host = port.get("IP", "")
                return f"{LOOPBACK if host in _ANY else host}:{port['PublicPort']}"
    return None
