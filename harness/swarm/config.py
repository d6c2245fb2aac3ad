"""What the engine tells the swarm before anything else: who plays what, through which links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.core.errors import UsageError
from harness.core.plan import ClientBehaviour, LoadStep, MixPlan, PersonPlan, Workload
from harness.drivers.api import Endpoint
from harness.workloads.registry import workload

EVERYBODY = "*"
PLAYABLE: tuple[ClientBehaviour, ...] = ("outbox", "naive", "none")


@dataclass(frozen=True, slots=True)
class Route:
    """Where devices connect to, and the names of the links they use for it (without ``auth_link`` one for both)."""

    chat: str
    auth: str
    link: str
    auth_link: str = ""

    @property
    def endpoint(self) -> Endpoint:
        """The addresses alone."""
        return Endpoint(self.chat, self.auth)


@dataclass(frozen=True, slots=True)
class Crowd:
    """The people with the numbers from ``first`` on, who together write ``rate_per_s`` messages when all are online.

    ``shape`` is how many of them are to be online when; whoever commands the swarm sees to that. ``everybody`` is how
    many the whole crowd has of which these may be a part.
    """

    people: int
    rate_per_s: float
    first: int = 1
    shape: tuple[LoadStep, ...] = ()
    mix: MixPlan = field(default_factory=MixPlan)
    everybody: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmConfig:
    """One run's people. ``events`` is the run's events folder, ``key`` the run's key in hex.

    ``endpoints`` has a route for each person or device (``alice/laptop``) with a link of their own and one under ``*``
    for the others; ``direct`` leads past every proxy and is used for accounts and the oracle only.
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
    defects: tuple[str, ...] = ()
    suffix: str = ""
    """What the people's names end in on the service, where it has other people's accounts too."""
    crowd: Crowd | None = None
    """Thousands more, who come and go as they are told to."""
    guests: bool = False
    """Whether people join one by one, and are told what becomes of their messages and what reaches them."""

    @property
    def many(self) -> bool:
        """Whether there may be more people than one process can let do everything at once."""
        return self.guests or self.crowd is not None

    def route(self, device: str) -> Route:
        """Return the device's own route, else its owner's, else everybody's."""
        owner = device.partition("/")[0]
        return self.endpoints.get(device) or self.endpoints.get(owner) or self.endpoints[EVERYBODY]


def to_json(config: SwarmConfig) -> dict[str, Any]:
    """Return the configuration as plain data for the control socket."""
    return dict(msgspec.to_builtins(config, enc_hook=str))


def from_json(raw: Mapping[str, Any]) -> SwarmConfig:
    """Read a configuration; raises ``UsageError`` for what cannot be played."""
    if raw["client"] not in PLAYABLE:
        raise UsageError(f"client {raw['client']!r} is not available", hint=f"known clients: {', '.join(PLAYABLE)}")
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
        defects=tuple(raw["defects"]),
        suffix=raw["suffix"],
        crowd=msgspec.convert(raw["crowd"], Crowd | None),
        guests=raw.get("guests", False),
    )
