"""What a run against a system that runs already is going to do, settled before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.core.errors import UsageError
from harness.core.stack import LinkSpec, StackSpec
from harness.proxy.addresses import Address
from harness.stacks.external_addresses import LOCAL, AllowList, default_listen, reached, read
from harness.stacks.filling import fill
from harness.stacks.proxy_server import edges, proxy_name

CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Way:
    """How one edge goes: through the proxy ``name`` that is there already, or one made to listen and lead on."""

    name: str
    listen: str = ""
    upstream: str = ""

    @property
    def is_there(self) -> bool:
        """Whether somebody else made the proxy, so that it has to stay."""
        return not self.listen


@dataclass(frozen=True, slots=True)
class ExternalPlan:
    """The proxy server's address (None: one of the run's own), the services' and the way of each edge.

    ``claim`` is the name of the toxic, which does nothing, by which a run marks a proxy of somebody else as taken.
    """

    claim: str
    toxiproxy: str | None
    server: str
    allowed: AllowList
    services: Mapping[str, Address]
    ways: Mapping[str, Way]


def plan_of(
    spec: StackSpec, *, launcher: str, run: str, people: frozenset[str], environment: Mapping[str, str]
) -> ExternalPlan:
    """Settle everything; raises ``UsageError`` for a stack file that cannot be played so, or must not be."""
    if not any(service.external for service in spec.services.values()):
        raise UsageError(
            f"stack {spec.name} has no service that runs already",
            hint="give its services an `external:` section with their addresses",
        )
    return _Planner(spec, launcher, run, environment).plan(people)


def has_way(spec: StackSpec, name: str) -> bool:
    """Tell whether a link goes through a proxy: one between services only if it is told how the caller got there."""
    link = spec.links.get(name)
    service = None if link is None else spec.services.get(link.service)
    if link is None or service is None:
        return False
    told = link.external
    return told.proxy is not None or (
        service.external is not None and (told.listen is not None or link.source == CLIENT)
    )


class _Planner:
    def __init__(self, spec: StackSpec, launcher: str, run: str, environment: Mapping[str, str]) -> None:
        self._spec = spec
        self._launcher = launcher
        self._run = run
        self._environment = environment
        self._allowed = AllowList(spec.external.allow)
        self._known = {f"parameters.{name}": value for name, value in spec.parameters.items()}

    def plan(self, people: frozenset[str]) -> ExternalPlan:
        told = self._spec.external.toxiproxy
        url = None if told is None else self._filled(told, "external.toxiproxy")
        server = LOCAL if url is None else self._server(url)
        services = {
            name: self._address(service.external.address, f"address of service {name}")
            for name, service in self._spec.services.items()
            if service.external is not None
        }
        found = edges(self._spec, self._launcher, people)
        ways = {edge: self._way(edge, link, server) for edge, link in found.items() if has_way(self._spec, link.name)}
        self._check(services, ways, shared=url is not None)
        return ExternalPlan(f"chat-chaos.{self._run}", url, server, self._allowed, services, ways)

    def _server(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(
                f"stack {self._spec.name}: {url!r} is no address of a proxy server",
                hint="it looks like http://127.0.0.1:8474; an undo after a crash is sent by plain http, too",
            )
        self._allowed.check(Address(parts.hostname, parts.port or 80), "the proxy server")
        return parts.hostname

    def _way(self, edge: str, link: LinkSpec, server: str) -> Way:
        own = edge != link.name
        told = link.external
        if told.proxy is not None and not own:
            return Way(self._filled(told.proxy, f"the proxy of link {link.name}"))
        service = self._spec.services[link.service].external
        if service is None:
            raise self._homeless(link.service)
        upstream = self._address(service.upstream, f"upstream of service {link.service}")
        listen = default_listen(server) if told.listen is None else self._filled(told.listen, f"link {link.name}")
        what = f"the proxy of link {link.name}"
        port = read(listen, what).port
        self._allowed.check(reached(listen, server), what)
        if own and port:
            raise UsageError(
                f"link {edge} needs a proxy of its own beside that of {link.name}, which has a fixed port",
                hint="let the link listen on port 0, or leave `per_person` out and name no person in a fault",
            )
        return Way(proxy_name(self._run, edge), listen, str(upstream))

    def _address(self, text: str, what: str) -> Address:
        return self._allowed.check(read(self._filled(text, what), what), what)

    def _filled(self, text: str, what: str) -> str:
        where = f"stack {self._spec.name}, {what}"
        return fill(text, self._known, environment=self._environment, where=where)

    def _check(self, services: Mapping[str, Address], ways: Mapping[str, Way], *, shared: bool) -> None:
        for name, link in self._spec.links.items():
            if link.source == CLIENT and name in ways and link.service not in services:
                raise self._homeless(link.service)
        there = [way.name for way in ways.values() if way.is_there]
        if there and not shared:
            raise UsageError(
                f"stack {self._spec.name}: proxy {there[0]} is on a proxy server whose address is missing",
                hint="give `external: {toxiproxy: http://HOST:8474}`",
            )

    def _homeless(self, service: str) -> UsageError:
        return UsageError(
            f"stack {self._spec.name}: service {service} has no address, and people talk to it",
            hint="give it `external: {address: HOST:PORT}`: accounts and the reading of the truth need it",
        )
