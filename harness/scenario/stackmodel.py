"""The shape of a stack file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from harness.core.findings import ALWAYS
from harness.core.versions import VersionRange
from harness.scenario.fields import Duration, DurationOrNever, Name, Section, ShareOrNever, Window, WindowOrNone
from harness.scenario.units import quoted


def _link_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]+->[a-z0-9_-]+", name):
        raise ValueError(f"{quoted(name)} is not a link: write FROM->TO, as in 'client->chat'")
    return name


def _url_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{quoted(path)} is not a path of a URL: it starts with '/'")
    return path


def _relative_path(path: str) -> str:
    if path.startswith("/") or not path or ".." in path.split("/"):
        raise ValueError(f"{quoted(path)} is not a path below the data folder")
    return path


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+", text):
        raise ValueError(f"{quoted(text)} is no host: a name or an address, without a port, written out in this file")
    return text


def _login(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]+/[A-Za-z0-9_]+", text):
        raise ValueError(f"{quoted(text)} is not USER/DATABASE")
    return text


def _default(text: str, description: str) -> Any:
    return Field(default=text, validate_default=True, description=description)


Host = Annotated[str, AfterValidator(_host)]
Login = Annotated[str, AfterValidator(_login)]
Given = dict[Name, Annotated[list[str], Field(min_length=1)]]
Port = Annotated[int, Field(ge=1, le=65535)]
LinkName = Annotated[str, AfterValidator(_link_name)]
RelativePath = Annotated[str, AfterValidator(_relative_path)]
UrlPath = Annotated[str, AfterValidator(_url_path)]


class DriverModel(Section):
    """Which protocol the stack speaks; further keys are options of the driver."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str] = Field(init=False)

    kind: str


class PromisesModel(Section):
    """What the stack guarantees; what is absent is not judged."""

    durability: Literal["none", "process_crash", "power_loss"] | None = None
    order: Literal["none", "sender", "conversation"] | None = None
    idempotency_window: WindowOrNone | None = Field(
        default=None, description="how long a repeated send is recognised; 'none': it is another message"
    )
    retention: Window | None = Field(default=None, description="how long a message can be read again")
    deliver_within: Duration | None = Field(default=None, description="to a connected device on a healthy network")
    receipts: list[Literal["delivered", "read"]] | None = None
    push_content: Literal["none", "sender", "body"] | None = None
    server_time: Literal["none", "monotonic"] | None = Field(
        default=None, description="whether the service's times grow with the order of a conversation"
    )


class HealthModel(Section):
    """How a service shows that it works."""

    http: UrlPath | None = Field(default=None, description="a path that answers 200")
    xmpp: Host | None = Field(default=None, description="the domain for which it opens an XMPP stream")
    postgres: Login | None = Field(default=None, description="USER/DATABASE that PostgreSQL lets in")
    through: str | None = Field(default=None, description="the link over which it is asked, too; absent: directly only")
    within: Duration

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.http, self.xmpp, self.postgres)) != 1:
            raise ValueError("give either 'http', 'xmpp' or 'postgres'")
        return self


class PinsModel(Section):
    """What some versions of a package need besides it."""

    below: str | None = Field(default=None, description="for versions below this one; absent: for all others")
    packages: list[str] = Field(description="as pip wants them, 'Twisted<25'")


class VenvModel(Section):
    """A virtual environment with one package: made on this machine, or in an image, once for each version."""

    package: str
    version: str
    pins: list[PinsModel] = Field(default=[], description="the first that applies to the version counts")
    extras: list[str] = Field(default=[], description="what is installed with every version, as pip wants it")


class EmbeddedModel(Section):
    """A service as a local process; what the service says for all its forms need not be repeated."""

    run: list[str] = Field(default=[], description="program and arguments; no shell is involved")
    requires: list[str] = Field(
        default=[], description="programs that the machine has to have; with a slash, paths, in which * stands for any"
    )
    install: str = Field(default="", description="the command that brings what is required")
    env: dict[str, str] = Field(default={})
    venv: VenvModel | None = Field(default=None, description="where it is a Python program; it lies at ${venv}")
    files: dict[RelativePath, str] = Field(default={}, description="written to ${data} before the first start")
    prepare: list[Annotated[list[str], Field(min_length=1)]] = Field(
        default=[], description="commands to be run in turn before the first start"
    )


class DockerModel(Section):
    """A service as containers of one image; what the service says for all its forms need not be repeated."""

    image: str | None = Field(default=None, description="an image by name and tag")
    build: str | None = Field(default=None, description="a folder with a Dockerfile, beside the stack file or shipped")
    args: dict[str, str] = Field(
        default={}, description="arguments of the build; ${requirements} is what pip is asked for to make the venv"
    )
    port: Port | None = Field(default=None, description="where it listens inside its container; absent: nowhere")
    replicas: int = Field(default=1, ge=1, le=16)
    run: list[str] = Field(default=[], description="replaces the image's command; no shell is involved")
    env: dict[str, str] = Field(default={})
    files: dict[RelativePath, str] = Field(default={}, description="written to ${data} before the first start")
    data: UrlPath | None = Field(default=None, description="a folder inside that outlives a restart")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.image is None) == (self.build is None):
            raise ValueError("give either 'image' or 'build'")
        if self.args and self.build is None:
            raise ValueError("'args' are for an image that is built: give 'build'")
        return self


class ExternalServiceModel(Section):
    """A service that runs already."""

    address: str = Field(description="HOST:PORT at which the harness reaches it")
    upstream: str | None = Field(default=None, description="HOST:PORT at which the proxy server does, where it differs")


class ComposeServiceModel(Section):
    """A service of the compose project."""

    service: str | None = Field(default=None, description="its name in the compose file, where it differs")
    port: Port = Field(description="where it listens inside its container")


class ServiceModel(Section):
    """One service: what is not there for a launcher is not started by it.

    Its own `run`, `env`, `files` and `venv` are for local processes and containers alike; each form adds and wins.
    """

    given: Given = Field(
        default={}, description="by parameter, the values under which it is there; else its links are not there either"
    )
    health: HealthModel | None = None
    clock: Literal["faketime", "none"] = Field(default="none", description="how a fault may move the service's clock")
    ports: dict[Name, Port] = Field(
        default={}, description="further ports that it listens on, ${ports.NAME}: their numbers in a container"
    )
    run: list[str] = Field(default=[], description="program and arguments; no shell is involved")
    env: dict[str, str] = Field(default={})
    files: dict[RelativePath, str] = Field(default={}, description="written to ${data} before the first start")
    venv: VenvModel | None = Field(default=None, description="where it is a Python program; it lies at ${venv}")
    embedded: EmbeddedModel | None = None
    docker: DockerModel | None = None
    external: ExternalServiceModel | None = None
    compose: ComposeServiceModel | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.embedded is not None and not (self.run or self.embedded.run):
            raise ValueError("a local process needs 'run', below 'embedded' or for all forms beside it")
        if self.docker is not None and self.docker.data is None and (self.files or self.docker.files):
            raise ValueError("a container with 'files' needs a folder for them: give 'data' below 'docker'")
        return self


class ExternalLinkModel(Section):
    """How a link of a system that runs already goes through the proxy server."""

    proxy: str | None = Field(default=None, description="a proxy that is there already, by its name")
    listen: str | None = Field(default=None, description="HOST:PORT for a new proxy; port 0 takes a free one")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.proxy is None) == (self.listen is None):
            raise ValueError("give either 'proxy' or 'listen'")
        return self


class LinkModel(Section):
    """An edge from a client or service to a service or provider, through one proxy."""

    to: str | None = Field(default=None, description="the service or provider, when it is not the name after the arrow")
    from_: str | None = Field(
        default=None, alias="from", description="the service that calls, when it is not the name before the arrow"
    )
    port: Name | None = Field(default=None, description="a further port of the service, by its name below 'ports'")
    per_person: Literal["named_in_faults"] | None = Field(
        default=None, description="people and devices that a fault names get an edge of their own"
    )
    launchers: Annotated[list[str], Field(min_length=1)] | None = None
    external: ExternalLinkModel | None = None


class ExternalModel(Section):
    """A system that runs already."""

    toxiproxy: str | None = Field(
        default=None, description="address of the proxy server in front of it; a local one is started if absent"
    )
    allow: list[Host] = Field(default=[], description="hosts that may be met; this machine's loopback always may")


class ComposeModel(Section):
    """A compose project."""

    files: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="compose files, from the stack file's folder; each run starts the project anew"
    )
    project: str | None = Field(default=None, description="a project that runs already; only clients' links go there")

    @model_validator(mode="after")
    def _one_project(self) -> Self:
        if (self.files is None) == (self.project is None):
            raise ValueError("give either 'files' or 'project'")
        return self


class AbortModel(Section):
    """When a run against a system that outlives it is given up, with everything taken back; 'never' switches off."""

    after: DurationOrNever = _default("15m", "time limit of a run")
    unhealthy_for: DurationOrNever = _default("30s", "the health request, asked directly, fails all that time")
    proxy_silent_for: DurationOrNever = _default("5s", "the proxy server does not answer")
    baseline_errors: ShareOrNever = _default("5%", "more attempts to send than this fail before any fault")
    baseline_latency: DurationOrNever = _default("2s", "p95 from a send to its acknowledgement before any fault")


class ProviderModel(Section):
    """A simulated provider of which the services are clients; links lead to it by its name."""

    kind: str


class ParameterModel(Section):
    """Something that ``--set NAME=VALUE`` changes."""

    default: str
    values: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="all that it may be; absent: any text"
    )

    @model_validator(mode="after")
    def _default_is_one(self) -> Self:
        if self.values is not None and self.default not in self.values:
            raise ValueError(f"the default {quoted(self.default)} is none of its values")
        return self


def _version_range(text: str) -> str:
    return str(VersionRange.parse(text))


def _rate(text: str) -> str:
    seen, slash, runs = text.partition("/")
    if text != ALWAYS and not (slash and seen.isdecimal() and runs.isdecimal() and 0 < int(seen) <= int(runs)):
        raise ValueError(f"{quoted(text)} is no rate of reproduction: write '{ALWAYS}', or seen and run, as in '7/10'")
    return text


class FindingModel(Section):
    """What the server is known to do otherwise than promised: a run that shows it, and nothing else, is as expected."""

    scenarios: list[str] = Field(
        default=[], description="names of scenarios, or of single entries: 'bad-day[cut=1s]'; without it, all"
    )
    faults: list[str] = Field(default=[], description="kinds of faults, one of which a scenario has to have")
    check: str | None = Field(default=None, description="the check that finds it")
    gap: str | None = Field(default=None, description="the gap of a fault as which it shows, 'not_recovered'")
    says: str | None = Field(
        default=None, description="words that every witness of the check has; what else it finds counts"
    )
    verdict: Literal["fail", "inconclusive"] = "fail"
    versions: Annotated[str, AfterValidator(_version_range)] | None = Field(
        default=None, description="releases that show it, by the parameter 'version': '>=1.80, <1.164'"
    )
    given: Given = Field(default={}, description="by parameter of the stack, the values under which it shows")
    rate: Annotated[str, AfterValidator(_rate)] = Field(
        description="'always' (a run without it fails), or in how many of how many runs it was seen, '7/10'"
    )
    text: str = Field(min_length=1, description="what the server does, in a sentence")
    source: str = Field(min_length=1, description="where that is written: a page, an issue, a place in its code")

    @model_validator(mode="after")
    def _one_sign(self) -> Self:
        if self.check is None and self.gap is None:
            raise ValueError("give the 'check' that finds it, or the 'gap' of a fault as which it shows")
        if not self.scenarios and not self.faults and self.says is None:
            raise ValueError("give the 'scenarios' or the 'faults' that show it, or what the check 'says' of it alone")
        return self


class StackModel(Section):
    """A stack: the services under test, the links between them and what they promise."""

    version: Literal[1]
    name: Name
    driver: DriverModel
    capabilities: list[str] = Field(default=[])
    promises: PromisesModel = Field(default_factory=PromisesModel)
    parameters: dict[Name, ParameterModel] = Field(default={})
    services: dict[Name, ServiceModel] = Field(min_length=1)
    links: dict[LinkName, LinkModel] = Field(min_length=1)
    providers: dict[Name, ProviderModel] = Field(default={})
    control: Literal["direct", "synapse"] | None = Field(
        default=None,
        description="limits and tokens are set past every link: at the services' own port, or by Synapse's admin API",
    )
    external: ExternalModel = Field(default_factory=ExternalModel)
    abort: AbortModel = Field(default_factory=AbortModel)
    compose: ComposeModel | None = None
    simulated: bool = Field(default=False, description="it stands in for a service that is not there: results say so")
    findings: dict[Name, FindingModel] = Field(
        default={}, description="known beforehand: a run that shows them is as expected, one that misses them is not"
    )
