"""What the containers of a run are made of: services of the stack file, simulators of providers, the proxy server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.stack import DockerService, StackSpec
from harness.providers.api import ProviderKind
from harness.providers.control_client import ControlClient
from harness.providers.settings import Settings, environment
from harness.stacks.faketime import MovableClock
from harness.stacks.filling import fill, placeholders
from harness.stacks.ports import LOOPBACK, Ports

EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container, whose ports are published on 127.0.0.1 only
PROVIDER_PORT, CONTROL_PORT = 8080, 8081
STOP = "SIGTERM"
"""What an engine asks containers to stop by, unless their image says otherwise."""
FIRST_LINK_PORT = 20001
FAKETIME_LABEL = "chat-chaos.faketime"
"""Where an image has the library that moves the clock of what runs in it."""
CLOCK_FOLDER = "/run/chat-chaos-clock"
OFFSET = "offset"
VENV = "/opt/venv"
"""Where an image has the virtual environment of a service that runs from one."""
EVENTS_FOLDER = "/chat-chaos/events"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there, and what it says of itself.

    ``faketime`` is where it has libfaketime, ``health`` the command that shows whether it is healthy, ``stop`` the
    signal by which it wants to be asked to stop.
    """

    tag: str
    faketime: str | None = None
    health: tuple[str, ...] = ()
    stop: str = STOP

    @classmethod
    def of(cls, tag: str, inspected: Mapping[str, Any]) -> Image:
        """Read what the engine tells of an image."""
        config = inspected.get("Config") or {}
        test = tuple((config.get("Healthcheck") or {}).get("Test") or ())
        commands = {"CMD": test[1:], "CMD-SHELL": ("/bin/sh", "-c", *test[1:])}
        return cls(
            tag,
            faketime=(config.get("Labels") or {}).get(FAKETIME_LABEL),
            health=commands.get(test[0], ()) if test else (),
            stop=config.get("StopSignal") or STOP,
        )


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of so many bytes, which a container of the image of the package keeps."""

    size: int
    keeper: Image


@dataclass(slots=True)
class Instance:
    """One container: what it is made of, where it is published on 127.0.0.1, and its id once it is there.

    ``role`` is its name in the run (``chat.1``); ``binds`` are folders of the host by their place inside; ``data`` is
    the place of its volume, ``disk`` one for it alone, ``files`` what lies there before its first start;
    ``published`` are the ports of 127.0.0.1 by those inside; ``port`` is 0 where it listens nowhere.
    """

    role: str
    service: str
    image: Image
    command: tuple[str, ...]
    env: dict[str, str]
    published: dict[int, int]
    port: int = 0
    entrypoint: tuple[str, ...] | None = None
    binds: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    disk: Disk | None = None
    user: str | None = None
    control: ControlClient | None = None
    clock: Path | None = None
    id: str = ""
    started_ns: int | None = None

    @property
    def address(self) -> str:
        """``host:port`` of the service in it, past every proxy."""
        return f"{LOOPBACK}:{self.published[self.port]}"


def roles_of(service: str, replicas: int) -> list[str]:
    """Names of a service's containers: its own for a single one, else numbered from 1."""
    return [service] if replicas == 1 else [f"{service}.{number}" for number in range(1, replicas + 1)]


@dataclass(frozen=True, slots=True)
class Maker:
    """What all containers of one run share.

    ``direct`` are the ports of 127.0.0.1 of each container's service, ``known`` is what placeholders stand for.
    """

    spec: StackSpec
    ports: Ports
    direct: Mapping[str, int]
    known: Mapping[str, str]
    environ: Mapping[str, str]
    keeper: Image | None = None
    """The image of the package, which keeps disks."""

    def service(self, name: str, program: DockerService, image: Image, clock: Path | None) -> list[Instance]:
        """Make the replicas of a service; ``clock`` is the folder of its offset, None when its clock stays.

        Raises ``UsageError`` for a placeholder that stands for nothing.
        """
        roles = roles_of(name, program.replicas)
        return [self._replica(role, name, program, image, clock) for role in roles]

    def provider(
        self, name: str, kind: ProviderKind, image: Image, *, run: str, events: Path, key: str, user: str
    ) -> Instance:
        """Make the simulator of a provider, which writes its own events of the run as ``user``."""
        token = secrets.token_urlsafe(24)
        settings = Settings(
            port=PROVIDER_PORT,
            control_port=CONTROL_PORT,
            control_token=token,
            provider=name,
            run=run,
            events=Path(EVENTS_FOLDER),
            key=bytes.fromhex(key),
            seed=int(self.known["seed"]),
            host=EVERYWHERE,
        )
        published = {PROVIDER_PORT: self.direct[name], CONTROL_PORT: self.ports.reserve()}
        return Instance(
            role=name,
            service=name,
            image=image,
            entrypoint=("python3", *kind.run),
            command=(),
            env=environment(settings),
            published=published,
            port=PROVIDER_PORT,
            binds={EVENTS_FOLDER: str(events)},
            user=user,
            control=_client(published[CONTROL_PORT], token, f"the control port of provider {name}"),
        )

    def _replica(self, role: str, name: str, program: DockerService, image: Image, clock: Path | None) -> Instance:
        token = secrets.token_urlsafe(24)
        control_port = CONTROL_PORT if program.port != CONTROL_PORT else CONTROL_PORT + 1
        published = {} if program.port is None else {program.port: self.direct[role]}
        if _is_controlled(program):
            published[control_port] = self.ports.reserve()
        known = {
            **self.known,
            "host": EVERYWHERE,
            **({} if program.port is None else {"port": str(program.port)}),
            **{f"ports.{each}": str(number) for each, number in self.spec.services[name].ports.items()},
            "control_port": str(control_port),
            "control_token": token,
            **({} if program.data is None else {"data": program.data}),
            **({} if program.venv is None else {"venv": VENV}),
        }

        def filled(text: str, where: str) -> str:
            place = f"stack {self.spec.name}, {where} of service {name}"
            return fill(text, known, environment=self.environ, where=place)

        return Instance(
            role=role,
            service=name,
            image=image,
            command=tuple(filled(word, "run") for word in program.run),
            env={
                **_clock_environment(image, clock),
                **{key: filled(value, f"env.{key}") for key, value in program.env.items()},
            },
            published=published,
            port=program.port or 0,
            binds={} if clock is None else {CLOCK_FOLDER: str(clock)},
            data=program.data,
            files={place: filled(text, f"files.{place}") for place, text in program.files.items()},
            disk=None if program.disk is None or self.keeper is None else Disk(program.disk, self.keeper),
            control=_client(published[control_port], token, f"the control port of {role}")
            if control_port in published
            else None,
            clock=clock,
        )


def _is_controlled(program: DockerService) -> bool:
    return any("control_port" in placeholders(text) for text in program.texts)


def _clock_environment(image: Image, clock: Path | None) -> dict[str, str]:
    if clock is None or image.faketime is None:
        return {}
    return MovableClock(Path(image.faketime), Path(CLOCK_FOLDER, OFFSET)).environment()


def _client(port: int, token: str, who: str) -> ControlClient:
    return ControlClient(f"http://{LOOPBACK}:{port}", token, who)
