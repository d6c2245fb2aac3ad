"""What the engine tells the swarm before anything else: who plays what, through which links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.core.errors import UsageError
from harness.core.plan import ClientBehaviour, PersonPlan, Workload
from harness.drivers.api import Endpoint
from harness.workloads.registry import workload

EVERYBODY = "*"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a person's devices connect to, and the name of the link they use for it."""

    chat: str
    auth: str
    link: str

    @property
    def endpoint(self) -> Endpoint:
        """The addresses alone."""
        return Endpoint(self.chat, self.auth)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmConfig:
    """One run's people. ``events`` is the run's events folder, ``key`` the run's key in hex.

    ``endpoints`` has a route for each person with a link of their own and one under ``*`` for the others; ``direct``
    leads past every proxy and is used for accounts and the oracle only.
    """

    run: str
    events: Path
    key: str
    seed: int
    people: tuple[PersonPlan, ...]
    workloads: tuple[Workload, ...]
    driver: str
    endpoints: Mapping[str, Route]
    direct: Endpoint
    driver_options: Mapping[str, str] = field(default_factory=dict)
    client: ClientBehaviour = "outbox"

    def route(self, person: str) -> Route:
        """Return the person's own route, or everybody's."""
        return self.endpoints.get(person) or self.endpoints[EVERYBODY]


def to_json(config: SwarmConfig) -> dict[str, Any]:
    """Return the configuration as plain data for the control socket."""
    return dict(msgspec.to_builtins(config, enc_hook=str))


def from_json(raw: Mapping[str, Any]) -> SwarmConfig:
    """Read a configuration; raises ``UsageError`` for what cannot be played."""
    if raw["client"] != "outbox":
        raise UsageError(f"client {raw['client']!r} is not available", hint="known clients: outbox")
    return SwarmConfig(
        run=raw["run"],
        events=Path(raw["events"]),
        key=raw["key"],
        seed=raw["seed"],
        people=msgspec.convert(raw["people"], tuple[PersonPlan, ...]),
        workloads=tuple(workload(each) for each in raw["workloads"]),
        driver=raw["driver"],
        driver_options=raw["driver_options"],
        endpoints=msgspec.convert(raw["endpoints"], dict[str, Route]),
        direct=msgspec.convert(raw["direct"], Endpoint),
        client=raw["client"],
    )
