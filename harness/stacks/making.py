"""Makes the services of an embedded stack: the stack file's programs and the simulators of its providers."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.stack import EmbeddedService, Health, StackSpec, port_name
from harness.providers.api import ProviderKind
from harness.providers.control_client import ControlClient
from harness.providers.settings import Settings, environment
from harness.stacks import faketime
from harness.stacks.embedded_stack import Service
from harness.stacks.filling import fill
from harness.stacks.ports import LOOPBACK, Ports
from harness.stacks.preparing import Preparation

PROVIDER_HEALTH = Health("/healthz", "", 15.0)


@dataclass(frozen=True, slots=True)
class Maker:
    """What all services of one run share.

    ``base`` are the variables that every process gets, ``known`` what placeholders stand for, ``clocks`` the services
    whose wall clock is going to be moved, ``venvs`` the virtual environments by service, ``further`` the services'
    further ports by ``port_name``.
    """

    spec: StackSpec
    ports: Ports
    base: Mapping[str, str]
    known: Mapping[str, str]
    environ: Mapping[str, str]
    data: Path
    clocks: frozenset[str] = frozenset()
    venvs: Mapping[str, Path] = field(default_factory=dict)
    further: Mapping[str, int] = field(default_factory=dict)

    def service(self, name: str, program: EmbeddedService, port: int) -> Service:
        """Make a service of the stack file; raises ``UsageError`` for a placeholder that stands for nothing."""
        control_port, token = self.ports.reserve(), secrets.token_urlsafe(24)
        own = {
            **self.known,
            "host": LOOPBACK,
            "port": str(port),
            **{f"ports.{each}": str(self.further[port_name(name, each)]) for each in self.spec.services[name].ports},
            "control_port": str(control_port),
            "control_token": token,
        }
        own |= {"venv": str(self.venvs[name])} if name in self.venvs else {}

        def filled(text: str, where: str) -> str:
            place = f"stack {self.spec.name}, {where} of service {name}"
            return fill(text, own, environment=self.environ, where=place)

        clock = self._clock(name)
        return Service(
            name=name,
            argv=[filled(word, "run") for word in program.run],
            env={
                **self.base,
                **({} if clock is None else clock.environment()),
                **{key: filled(value, f"env.{key}") for key, value in program.env.items()},
            },
            port=port,
            health=self.spec.services[name].health,
            control=_client(control_port, token, f"the control port of service {name}"),
            clock=clock,
            preparation=Preparation(
                {self.data / place: filled(text, f"files.{place}") for place, text in program.files.items()},
                [[filled(word, "prepare") for word in command] for command in program.prepare],
            ),
        )

    def provider(self, name: str, kind: ProviderKind, port: int, *, run: str, events: Path, key: str) -> Service:
        """Make the simulator of a provider, which writes its own events of the run."""
        control_port, token = self.ports.reserve(), secrets.token_urlsafe(24)
        seed = int(self.known["seed"])
        settings = Settings(port, control_port, token, name, run, events, bytes.fromhex(key), seed)
        return Service(
            name=name,
            argv=[sys.executable, *kind.run],
            env={**self.base, **environment(settings)},
            port=port,
            health=PROVIDER_HEALTH,
            control=_client(control_port, token, f"the control port of provider {name}"),
        )

    def _clock(self, name: str) -> faketime.MovableClock | None:
        library = faketime.library(self.environ) if name in self.clocks else None
        if library is None or self.spec.services[name].clock != "faketime" or faketime.reason(self.environ):
            return None
        clock = faketime.MovableClock(library, self.data / f"{name}.clock")
        clock.move(0.0)
        return clock


def _client(port: int, token: str, who: str) -> ControlClient:
    return ControlClient(f"http://{LOOPBACK}:{port}", token, who)
