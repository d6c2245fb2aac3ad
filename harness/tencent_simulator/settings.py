"""What the simulator is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.drivers.tencent.usersig import Key
from harness.reference.frames import Limits

EVERYBODY = "*"
WEEK_S = 604_800
DAY_S = 86_400
REST_RATE = 200.0


class WrongSettings(Exception):
    """A variable is missing or not as documented; the text says which and what is wanted."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the app hears of messages; ``lets_pass`` says what becomes of one when it does not answer in time."""

    url: str
    token: str
    lets_pass: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """The simulator's configuration; see docs/tencent.md for the variables."""

    database: str
    host: str
    port: int
    control_port: int | None
    control_token: str
    key: Key
    administrators: frozenset[str]
    push_url: str | None
    webhook: Webhook | None
    sig_life_s: int
    roaming_s: int
    rest_rate: float | None
    limits: Limits

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings; raises ``WrongSettings``."""
        control_port = _whole(env, "CONTROL_PORT") if env.get("CONTROL_PORT") else None
        return cls(
            database=_needed(env, "DB"),
            host=env.get("HOST") or "127.0.0.1",
            port=_whole(env, "PORT"),
            control_port=control_port,
            control_token=_needed(env, "CONTROL_TOKEN") if control_port else "",
            key=Key(_whole(env, "SDKAPPID"), _needed(env, "SECRET_KEY")),
            administrators=frozenset((env.get("ADMINISTRATORS") or "administrator").split(",")),
            push_url=env.get("PUSH", "").rstrip("/") or None,
            webhook=_webhook(env),
            sig_life_s=_whole(env, "SIG_LIFE_S", DAY_S),
            roaming_s=_whole(env, "ROAMING_S", WEEK_S),
            rest_rate=_rate(env, "REST_RATE", REST_RATE),
            limits=Limits(_rate(env, "RATE_PER_USER"), _rate(env, "RATE_OVERALL")),
        )

    def administers(self, user: str) -> bool:
        """Tell whether an account is an administrator of the app."""
        return user in self.administrators or EVERYBODY in self.administrators


def _needed(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise WrongSettings(f"{name} is not set")
    return env[name]


def _whole(env: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = env.get(name) or ("" if default is None else str(default))
    if not text.isdecimal() or int(text) == 0:
        raise WrongSettings(f"{name} is {text!r}: wanted is a positive number")
    return int(text)


def _rate(env: Mapping[str, str], name: str, default: float | None = None) -> float | None:
    text = env.get(name, "")
    try:
        rate = float(text) if text else default
    except ValueError:
        rate = -1.0
    if rate is not None and not 0 < rate < float("inf"):
        raise WrongSettings(f"{name} is {text!r}: wanted are requests a second, or empty for no limit")
    return rate


def _webhook(env: Mapping[str, str]) -> Webhook | None:
    url, broken = env.get("WEBHOOK", ""), env.get("WEBHOOK_BROKEN") or "pass"
    if url and not url.startswith("http://"):
        raise WrongSettings(f"WEBHOOK is {url!r}: wanted is an http:// address, or empty for none")
    if broken not in {"pass", "refuse"}:
        raise WrongSettings(f"WEBHOOK_BROKEN is {broken!r}: wanted is pass or refuse")
    return Webhook(url, env.get("WEBHOOK_TOKEN", ""), broken == "pass") if url else None
