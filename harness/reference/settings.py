"""What the service is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from harness.reference.frames import Limits, Rate
from harness.reference.mutants import MUTANTS

TOKEN_TTL_S = 3600
MAX_PORT = 65535
DATABASES = "sqlite:/path/to/chat.db or postgresql://user:password@host:5432/name"


class WrongSettings(Exception):
    """A variable is missing or not as documented; the text says which and what is wanted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The service's configuration; see ``docs/reference-protocol.md`` for the variables."""

    database: str
    cache: str | None
    host: str
    port: int
    control_port: int | None
    control_token: str
    mutant: str
    advertised_url: str | None
    token_ttl_s: int
    push_url: str | None
    limits: Limits

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings; raises ``WrongSettings``."""
        control_port = _port(env, "CONTROL_PORT") if env.get("CONTROL_PORT") else None
        if control_port is not None and not env.get("CONTROL_TOKEN"):
            raise WrongSettings("CONTROL_TOKEN is empty: a control port needs a token")
        database = _database(env.get("DB", ""))
        return cls(
            database=database,
            cache=_cache(env.get("CACHE", ""), database),
            host=env.get("HOST") or "127.0.0.1",
            port=_port(env, "PORT"),
            control_port=control_port,
            control_token=env.get("CONTROL_TOKEN", ""),
            mutant=_mutant(env.get("MUTANT", "")),
            advertised_url=env.get("ADVERTISED_URL", "").rstrip("/") or None,
            token_ttl_s=_number("TOKEN_TTL_S", env.get("TOKEN_TTL_S") or str(TOKEN_TTL_S)),
            push_url=_url(env.get("PUSH", "")),
            limits=Limits(_rate(env, "RATE_PER_USER"), _rate(env, "RATE_OVERALL")),
        )


def _database(url: str) -> str:
    scheme, _, place = url.partition(":")
    if not place or (scheme != "sqlite" and not url.startswith("postgresql://")):
        # What follows a scheme may be a password.
        raise WrongSettings(f"DB is {scheme + ':…' if place else url!r}: wanted is {DATABASES}")
    return url


def _cache(url: str, database: str) -> str | None:
    if url and not url.startswith("redis://"):
        raise WrongSettings("CACHE is no redis:// address: wanted is redis://host:6379, or empty for none")
    if url and database.startswith("sqlite:"):
        raise WrongSettings("CACHE is for instances that share a postgresql:// database: SQLite serves one")
    return url or None


def _port(env: Mapping[str, str], name: str) -> int:
    number = _number(name, env.get(name, ""))
    if number > MAX_PORT:
        raise WrongSettings(f"{name} is {number}: a port is at most {MAX_PORT}")
    return number


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise WrongSettings(f"{name} is {text!r}: wanted is a positive number")
    return int(text)


def _url(url: str) -> str | None:
    if url and not url.startswith("http://"):
        raise WrongSettings(f"PUSH is {url!r}: wanted is the provider's http:// address, or empty for no push")
    return url.rstrip("/") or None


def _rate(env: Mapping[str, str], name: str) -> float | None:
    text = env.get(name)
    try:
        return msgspec.convert(text, Rate, strict=False) if text else None
    except msgspec.ValidationError:
        raise WrongSettings(f"{name} is {text!r}: wanted are messages a second, or empty for no limit") from None


def _mutant(name: str) -> str:
    if name and name not in MUTANTS:
        raise WrongSettings(f"MUTANT is {name!r}: known are {', '.join(MUTANTS)}, or empty for the healthy service")
    return name
