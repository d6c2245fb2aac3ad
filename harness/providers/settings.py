"""What a provider simulator is told by its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_PORT = 65535
LOOPBACK = "127.0.0.1"


class WrongSettings(Exception):
    """A variable is missing or not as documented; the text says which and what is wanted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``PORT`` and ``CONTROL_PORT`` on ``HOST`` (127.0.0.1), ``CONTROL_TOKEN``, ``PROVIDER`` (its name in the stack),
    ``RUN``, ``EVENTS`` (the run's folder of events), ``KEY`` (the run's key, in hex) and ``SEED``.
    """  # noqa: D205 - the variables are the summary

    port: int
    control_port: int
    control_token: str = field(repr=False)
    provider: str
    run: str
    events: Path
    key: bytes = field(repr=False)
    seed: int
    host: str = LOOPBACK

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings; raises ``WrongSettings``."""
        return cls(
            port=_port(env, "PORT"),
            control_port=_port(env, "CONTROL_PORT"),
            control_token=_text(env, "CONTROL_TOKEN"),
            provider=_text(env, "PROVIDER"),
            run=_text(env, "RUN"),
            events=Path(_text(env, "EVENTS")),
            key=_key(env),
            seed=_number(env, "SEED"),
            host=env.get("HOST") or LOOPBACK,
        )


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which ``Settings.of`` reads the same."""
    return {
        "PORT": str(settings.port),
        "CONTROL_PORT": str(settings.control_port),
        "CONTROL_TOKEN": settings.control_token,
        "PROVIDER": settings.provider,
        "RUN": settings.run,
        "EVENTS": str(settings.events),
        "KEY": settings.key.hex(),
        "SEED": str(settings.seed),
        "HOST": settings.host,
    }


def _text(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise WrongSettings(f"{name} is not set")
    return env[name]


def _number(env: Mapping[str, str], name: str) -> int:
    text = _text(env, name)
    if not re.fullmatch("[0-9]{1,20}", text):
        raise WrongSettings(f"{name} is {text!r}: wanted is a number")
    return int(text)


def _port(env: Mapping[str, str], name: str) -> int:
    number = _number(env, name)
    if not 0 < number <= MAX_PORT:
        raise WrongSettings(f"{name} is {number}: a port is a number from 1 to {MAX_PORT}")
    return number


def _key(env: Mapping[str, str]) -> bytes:
    try:
        return bytes.fromhex(_text(env, "KEY"))
    except ValueError:
        raise WrongSettings("KEY is not hexadecimal") from None
