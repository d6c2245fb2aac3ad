"""A stack after its file was read: services, links, promises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from harness.core.findings import Finding

Durability = Literal["none", "process_crash", "power_loss"]
Order = Literal["none", "sender", "conversation"]


@dataclass(frozen=True, slots=True)
class Promises:
    """What a stack says that it guarantees; None means undeclared, which is not judged and said so."""

    durability: Durability | None = None
    order: Order | None = None
    idempotency_window_s: float | None = None
    retention_s: float | None = None
    deliver_within_s: float | None = None
    receipts: tuple[Literal["delivered", "read"], ...] | None = None
    push_content: Literal["none", "sender", "body"] | None = None
    server_time: Literal["none", "monotonic"] | None = None
    """Whether the service's own times grow with the order of a conversation."""


PromiseValue = str | float | list[str]
FOREVER = "forever"


def promises_as_data(promises: Promises) -> dict[str, PromiseValue]:
    """Return the declared promises as plain JSON; an endless window is the word ``forever``, as in stack files."""
    declared = {field.name: getattr(promises, field.name) for field in fields(promises)}
    return {name: _plain(value) for name, value in declared.items() if value is not None}


def promises_from_data(data: Mapping[str, PromiseValue]) -> Promises:
    """Read back what ``promises_as_data`` wrote; unknown names are from a newer version and left out."""
    known = {field.name for field in fields(Promises)}
    return Promises(**{name: _typed(value) for name, value in data.items() if name in known})


def _plain(value: Any) -> PromiseValue:
    if isinstance(value, tuple):
        return list(value)
    return FOREVER if value == math.inf else value


def _typed(value: PromiseValue) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return math.inf if value == FOREVER else value


@dataclass(frozen=True, slots=True)
class Health:
    """How a service shows that it works: a GET of ``path`` through ``through`` answers 200 within ``within_s``.

    A path ``xmpp:DOMAIN`` is no request of HTTP: the service opens an XMPP stream for that domain. Nor is
    ``postgres:USER/DATABASE``: PostgreSQL lets that user in. Without ``through`` it is asked directly only.
    """

    path: str
    through: str
    within_s: float


@dataclass(frozen=True, slots=True)
class Pins:
    """What else a virtual environment needs where the package's version is below ``below`` (None: any version)."""

    below: str | None
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Venv:
    """A package of the Python package index that a service runs from, with ``extras``, whatever its version is.

    The first of ``pins`` that applies is used.
    """

    package: str
    version: str
    pins: tuple[Pins, ...] = ()
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbeddedService:
    """A service as a local process; ``${...}`` in every text is filled in by the launcher.

    Before its first start ``files`` are written below its data folder and the commands of ``prepare`` are run in turn;
    ``venv`` is made on this machine once and lies at ``${venv}``. ``requires`` are programs, or patterns of paths, that
    have to be there before, which the command ``install`` sees to.
    """

    run: tuple[str, ...]
    requires: tuple[str, ...] = ()
    install: str = ""
    env: dict[str, str] = field(default_factory=dict)
    venv: Venv | None = None
    files: dict[str, str] = field(default_factory=dict)
    prepare: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class DockerService:
    """A service as containers of one image, ``image``, or the one that is built from the folder ``build``.

    ``args`` are arguments of the build, which may stand for the requirements of ``venv``. ``port`` is where it listens
    inside (None: nowhere, it only calls others); ``run`` replaces the image's command; ``data`` is a folder inside that
    is kept when a container is started again, in which ``files`` lie before the first start; ``${...}`` in every text
    is filled in by the launcher. ``disk`` is the size in bytes of a disk that each container has for its data alone
    (None: the engine's), which no stack file says: whoever is going to fill it up, or take its power away, does.
    """

    port: int | None
    image: str | None = None
    build: str | None = None
    args: dict[str, str] = field(default_factory=dict)
    venv: Venv | None = None
    replicas: int = 1
    run: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    disk: int | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that is filled in for a container."""
        return (*self.run, *self.env.values(), *self.files.values())


@dataclass(frozen=True, slots=True)
class ExternalService:
    """A service that runs already: ``address`` is where the harness reaches it, ``upstream`` where the proxy does."""

    address: str
    upstream: str


@dataclass(frozen=True, slots=True)
class ExternalLink:
    """The way of a link through the given proxy server: a proxy that is there, or a new one on ``listen``."""

    proxy: str | None = None
    listen: str | None = None


@dataclass(frozen=True, slots=True)
class ExternalSystem:
    """A system that runs already: the proxy server in front of it (None: one of the run's own), and who may be met."""

    toxiproxy: str | None = None
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComposeService:
    """A service of a user's compose project by its name there, and the port on which it listens in its container."""

    service: str
    port: int


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """A compose project: its files, beside the stack file, to start it; or the name under which it runs already."""

    files: tuple[str, ...] = ()
    project: str | None = None


@dataclass(frozen=True, slots=True)
class AbortRules:
    """When a run against a system that outlives it is given up and everything is taken back; None: never for that."""

    after_s: float | None = 900.0
    unhealthy_for_s: float | None = 30.0
    proxy_silent_for_s: float | None = 5.0
    baseline_errors: float | None = 0.05
    baseline_latency_s: float | None = 2.0


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One named service of a stack; what it has no form for is not started by that launcher.

    ``ports`` are further ports that it listens on by their names, with their numbers in a container.
    """

    name: str
    health: Health | None
    embedded: EmbeddedService | None
    clock: Literal["faketime", "none"] = "none"
    docker: DockerService | None = None
    external: ExternalService | None = None
    compose: ComposeService | None = None
    ports: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A directed edge ``client->chat``; every connection over it passes one proxy.

    ``port`` is the further port of the service that it leads to, by its name; None is the service's own.
    """

    name: str
    source: str
    service: str
    per_person: bool = False
    launchers: tuple[str, ...] | None = None
    external: ExternalLink = ExternalLink()
    port: str | None = None

    @property
    def end(self) -> str:
        """What it leads to as ``port_name`` has it."""
        return port_name(self.service, self.port)


@dataclass(frozen=True, slots=True)
class StackSpec:
    """A stack file, read and checked."""

    name: str
    source: str
    driver: str
    driver_options: dict[str, str]
    capabilities: frozenset[str]
    promises: Promises
    parameters: dict[str, str]
    services: dict[str, ServiceSpec]
    links: dict[str, LinkSpec]
    providers: dict[str, str] = field(default_factory=dict)
    """Kinds of the local provider simulators by the name under which links lead to them (``chat->push``)."""
    control: Literal["direct", "synapse"] | None = None
    """How limits, tokens and the like are set: at the services' own control port, by Synapse's admin API, or not."""
    external: ExternalSystem = ExternalSystem()
    abort: AbortRules = AbortRules()
    compose: ComposeProject = ComposeProject()
    findings: tuple[Finding, ...] = ()
    """What the server is known to do otherwise than promised."""
    absent: tuple[str, ...] = ()
    """Links that are not there under the chosen parameters: as placeholders they are empty."""
    simulated: bool = False
    """Whether it stands in for a service that is not there: what is found holds for the simulator only."""


def port_name(service: str, port: str | None) -> str:
    """Name a port among all of a stack: ``chat`` for a service's own, ``chat.components`` for a further one."""
    return service if port is None else f"{service}.{port}"


def base_link(name: str) -> str:
    """Return the link that a person's own edge belongs to: ``client:alice->chat`` is one of ``client->chat``."""
    source, arrow, service = name.partition("->")
    return source.partition(":")[0] + arrow + service


def covers(link: str, edge: str) -> bool:
    """Tell whether a link includes an edge: ``client->chat`` has everybody's, ``client:alice->chat`` those of hers."""
    source, arrow, service = edge.partition("->")
    return link in {edge, base_link(edge), source.partition("/")[0] + arrow + service}
