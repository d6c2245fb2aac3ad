"""Where a locustfile's people find the chat service, and what their swarm is told of it."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError
from harness.drivers.api import Endpoint
from harness.drivers.registry import PROGRAMS
from harness.scenario.stackfile import load_stack
from harness.stacks.filling import fill
from harness.swarm.config import EVERYBODY, Route, SwarmConfig

CHAT, AUTH = "client->chat", "client->auth"
SUFFIX_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Addresses:
    """A stack's name or file, and base addresses (``http://HOST:PORT``); those left out are the same as ``chat``.

    ``chat`` and ``auth`` are where people connect to, through a proxy or not; ``direct`` and ``direct_auth`` are past
    every proxy, for accounts and for the reading of archives at the end.
    """

    stack: str
    chat: str | None
    auth: str | None = None
    direct: str | None = None
    direct_auth: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()


def guests(addresses: Addresses, *, run: str, folder: Path, seed: int) -> SwarmConfig:
    """Return what a swarm of guests is told; ``folder`` is the run's.

    Raises ``UsageError`` when there is no address, no such stack, or one whose people are programs of the user's.
    """
    if addresses.chat is None:
        raise UsageError(
            "it is not known where the chat service is",
            hint="give --host http://HOST:PORT, or start Locust by `chat-chaos stack up STACK -- locust …`",
        )
    spec = load_stack(addresses.stack, parameters=dict(addresses.parameters))
    if spec.driver in PROGRAMS:
        raise UsageError(
            f"the people of stack {spec.name} are programs of yours, which a locustfile cannot speak through",
            hint="put them under load with `chat-chaos load`",
        )
    chat, auth = addresses.chat.rstrip("/"), (addresses.auth or addresses.chat).rstrip("/")
    direct = (addresses.direct or chat).rstrip("/")
    known = {f"parameters.{name}": value for name, value in spec.parameters.items()}
    known |= {f"link.{name}": url.removeprefix("http://") for name, url in ((CHAT, chat), (AUTH, auth))}
    where = f"stack {spec.name}, driver"
    options = {key: fill(text, known, environment=os.environ, where=where) for key, text in spec.driver_options.items()}
    return SwarmConfig(
        run=run,
        events=folder / "events",
        key=secrets.token_hex(32),
        seed=seed,
        people=(),
        workloads=(),
        driver=spec.driver,
        driver_options=options,
        endpoints={EVERYBODY: Route(chat, auth, CHAT, AUTH if AUTH in spec.links else CHAT)},
        direct=Endpoint(direct, (addresses.direct_auth or addresses.direct or auth).rstrip("/")),
        suffix=f"-{hashlib.sha256(run.encode()).hexdigest()[:SUFFIX_LENGTH]}",
        guests=True,
    )
