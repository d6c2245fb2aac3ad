"""What a stack file amounts to in Docker, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from harness.core.errors import UsageError
from harness.core.stack import DockerService, LinkSpec, StackSpec, port_name
from harness.providers.api import ProviderKind
from harness.providers.registry import provider_kind
from harness.stacks.docker_instances import PROVIDER_PORT, roles_of
from harness.stacks.docker_topology import CLIENT, PROXY
from harness.stacks.filling import fill, placeholders
from harness.stacks.presence import wanted_venv
from harness.stacks.proxy_server import edges
from harness.stacks.venvs import requirements

LAUNCHER = "docker"


@dataclass(frozen=True, slots=True)
class Plan:
    """The services that have a docker form, the simulators of providers, and every edge between what is there."""

    spec: StackSpec
    programs: Mapping[str, DockerService]
    kinds: Mapping[str, ProviderKind]
    links: Mapping[str, LinkSpec]

    @property
    def roles(self) -> dict[str, list[str]]:
        """The containers of each service and provider."""
        replicas = {name: program.replicas for name, program in self.programs.items()} | dict.fromkeys(self.kinds, 1)
        return {name: roles_of(name, number) for name, number in replicas.items()}

    @property
    def ports(self) -> dict[str, int]:
        """Where each service and provider listens in its containers, by ``port_name``."""
        own = {name: program.port for name, program in self.programs.items() if program.port is not None}
        further = {
            port_name(name, port): number
            for name in self.programs
            for port, number in self.spec.services[name].ports.items()
        }
        return own | further | dict.fromkeys(self.kinds, PROVIDER_PORT)


def plan_of(
    spec: StackSpec, people: frozenset[str], mutant: str | None, *, environ: Mapping[str, str] = MappingProxyType({})
) -> Plan:
    """Read a stack file for people with edges of their own; raises ``UsageError`` for what cannot run in Docker."""
    programs = programs_of(spec, environ)
    kinds = {name: provider_kind(kind) for name, kind in spec.providers.items()}
    found = edges(spec, LAUNCHER, people).items()
    links = {
        name: link for name, link in found if link.service in {*programs, *kinds} and link.source in {CLIENT, *programs}
    }
    plan = Plan(spec, programs, kinds, links)
    _check_services(plan)
    _check_mutant(plan, mutant)
    return plan


def programs_of(spec: StackSpec, environ: Mapping[str, str]) -> dict[str, DockerService]:
    """Return the services that have a docker form, with the arguments of their builds filled in.

    Raises ``UsageError`` for one that stands for nothing.
    """
    programs = {name: service.docker for name, service in spec.services.items() if service.docker is not None}
    return {name: replace(program, args=_args(spec, name, program, environ)) for name, program in programs.items()}


def _args(spec: StackSpec, name: str, program: DockerService, environ: Mapping[str, str]) -> dict[str, str]:
    where = f"stack {spec.name}, args of service {name}"
    known = {f"parameters.{parameter}": value for parameter, value in spec.parameters.items()}
    if program.venv is not None:
        known["requirements"] = " ".join(requirements(wanted_venv(spec, name, program.venv, environ)))
    return {arg: fill(text, known, environment=environ, where=where) for arg, text in program.args.items()}


def _check_services(plan: Plan) -> None:
    spec = plan.spec
    if not plan.programs:
        raise UsageError(
            f"stack {spec.name} has no service that the docker launcher could run",
            hint="give its services a `docker:` section",
        )
    if PROXY in plan.roles:
        raise UsageError(
            f"stack {spec.name} calls a service {PROXY}, as the proxy's own container is called in Docker",
            hint="give the service another name",
        )
    for name, link in plan.links.items():
        if link.end not in plan.ports:
            raise UsageError(
                f"stack {spec.name}: link {name} leads to service {link.service}, which listens on no port in Docker",
                hint="give its `docker:` section the `port` on which it listens in its container",
            )
    ways = [name for name in plan.links if name.startswith(CLIENT)]
    for name in plan.programs:
        health = spec.services[name].health
        if health is not None and health.through and health.through not in ways:
            raise UsageError(
                f"stack {spec.name}: the health of service {name} goes through {health.through}, "
                "which people do not come by with the docker launcher",
                hint=f"links of people: {', '.join(ways) or 'none'}",
            )


def _check_mutant(plan: Plan, mutant: str | None) -> None:
    texts = [text for program in plan.programs.values() for text in program.texts]
    if mutant is not None and not any("mutant" in placeholders(text) for text in texts):
        raise UsageError(
            f"stack {plan.spec.name} has no mutants: none of its services is given ${{mutant}}",
            hint="leave --mutant out, or use the stack `reference`",
        )
