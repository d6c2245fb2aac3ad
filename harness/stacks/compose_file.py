"""A user's compose project made over for one run: other networks, ports and names, labels on everything. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.core.errors import UsageError
from harness.stacks import docker_labels
from harness.stacks.compose_plan import ComposePlan, hidden, networks_of
from harness.stacks.docker_topology import plain
from harness.stacks.ports import LOOPBACK

_DROPPED = ("container_name", "links", "external_links", "networks", "ports", "restart", "labels")
"""What would let runs meet, show them to other machines, or bring back what a fault took down."""


def made_over(
    config: Mapping[str, Any], plan: ComposePlan, labels: Mapping[str, str], published: Mapping[str, int]
) -> dict[str, Any]:
    """Return the project for one run; ``published`` are the ports of 127.0.0.1 of services that the harness reaches.

    Raises ``UsageError`` for what runs would share: networks and volumes of other projects, the host's network.
    """
    services = config["services"]
    _check(config)
    ports = {service.service: service.port for service in plan.services.values()}
    used = sorted({network for name in services if name not in plan.moved for network in networks_of(services[name])})
    top = {key: value for key, value in config.items() if key not in {"name", "services", "networks", "volumes"}}
    return {
        **top,
        "services": {
            name: {
                **{key: value for key, value in service.items() if key not in _DROPPED},
                **_image(config, name, service),
                "restart": "no",
                "labels": {
                    **_labels(service.get("labels")),
                    **labels,
                    docker_labels.ROLE: plain(plan.named.get(name, name)),
                },
                "networks": _networks(name, service, plan),
                **({"ports": [f"{LOOPBACK}:{published[name]}:{ports[name]}"]} if name in published else {}),
            }
            for name, service in services.items()
        },
        "networks": {
            **{name: _own_network((config.get("networks") or {}).get(name), labels) for name in used},
            **{net.name: {"external": True, "name": net.name} for net in plan.topology.networks[1:]},
        },
        "volumes": {
            name: {**(volume or {}), "name": f"{plan.project}-{name}", "labels": dict(labels)}
            for name, volume in (config.get("volumes") or {}).items()
        },
    }


def _check(config: Mapping[str, Any]) -> None:
    for problem in _shared(config):
        raise UsageError(
            f"the compose project has {problem}, which runs side by side would share",
            hint="give chat-chaos a compose file, or an override beside it, without that",
        )


def _shared(config: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("networks", "volumes"):
        for name, thing in (config.get(kind) or {}).items():
            if (thing or {}).get("external"):
                yield f"{kind[:-1]} {name}, which is another's (`external`)"
    for name, service in config["services"].items():
        if service.get("network_mode") not in {None, "none", "bridge"}:
            yield f"`network_mode: {service['network_mode']}` in service {name}"


def _networks(name: str, service: Mapping[str, Any], plan: ComposePlan) -> dict[str, Any]:
    given = service.get("networks") or {}
    kept: dict[str, Any] = {}
    if name not in plan.moved:
        for network in sorted(networks_of(service)):
            options = given.get(network) if isinstance(given, Mapping) else None
            kept[network] = {key: value for key, value in (options or {}).items() if key == "aliases"}
    if name in plan.moved | plan.published:
        kept[plan.to(name)] = {"aliases": [hidden(name)]}
    return kept | {plan.between_network(edge): {} for edge in plan.between if edge.caller == name}


def _own_network(network: Mapping[str, Any] | None, labels: Mapping[str, str]) -> dict[str, Any]:
    kept = {key: value for key, value in (network or {}).items() if key in {"internal", "driver", "driver_opts"}}
    return {**kept, "labels": dict(labels)}


def _image(config: Mapping[str, Any], name: str, service: Mapping[str, Any]) -> dict[str, Any]:
    """A service that is built has its image's name from the project's: name it once for all runs."""
    if "build" not in service or "image" in service:
        return {}
    return {"image": f"chat-chaos-compose/{plain(str(config['name'])).lower()}-{name.lower()}"}


def _labels(given: Mapping[str, str] | list[str] | None) -> dict[str, str]:
    if isinstance(given, list):
        return {key: value for key, _, value in (label.partition("=") for label in given)}
    return dict(given or {})
