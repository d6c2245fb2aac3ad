"""What of a stack a launcher starts, and in which order: services in the form that it knows, replicas, links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.stack import LinkSpec, ServiceSpec, StackSpec, base_link

EMBEDDED, DOCKER = "embedded", "docker"
CLIENT = "client"


def without_form(launcher: str, spec: StackSpec, *, targets: str, target: str) -> str:
    """Return why a service, a replica (``chat.1``) or a link is not there with a launcher; empty when it is."""
    if targets == "service":
        return _no_service(launcher, spec, target)
    if targets != "link":
        return ""
    link = spec.links.get(base_link(target))
    if link is None or (link.launchers is not None and launcher not in link.launchers):
        return f"the {launcher} launcher has no link {target}"
    ends = [end for end in (link.source, link.service) if end != CLIENT and end not in spec.providers]
    return next((why for end in ends if (why := _no_service(launcher, spec, end))), "")


def waves(services: Sequence[str], links: Mapping[str, LinkSpec]) -> list[list[str]]:
    """Return the services in the order of their start: each after all that it has links to; a circle at once."""
    left, order = list(services), []
    while left:
        ready = [name for name in left if not _waits(name, left, links)] or left
        order.append(ready)
        left = [name for name in left if name not in ready]
    return order


def _no_service(launcher: str, spec: StackSpec, target: str) -> str:
    name, _, number = target.partition(".")
    service = spec.services.get(name)
    if service is None or _form(launcher, service) is None:
        return f"the {launcher} launcher starts no {name} for stack {spec.name}"
    replicas = service.docker.replicas if launcher == DOCKER and service.docker is not None else 1
    if not number or 1 < replicas >= int(number):
        return ""
    return f"the {launcher} launcher starts {replicas} of {name}, so no {target}"


def _form(launcher: str, service: ServiceSpec) -> object:
    return service.docker if launcher == DOCKER else service.embedded


def _waits(name: str, left: Sequence[str], links: Mapping[str, LinkSpec]) -> bool:
    return any(link.source == name and link.service in left and link.service != name for link in links.values())
