"""What the stack file tells the driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from harness.core.errors import UsageError
from harness.drivers.tencent.usersig import Key

NAMES = ("sdkappid", "secret_key", "administrator", "live", "domain", "sig_life", "message_life", "poll")
LIVE = ("gateway", "poll")
LONGEST_MESSAGE_LIFE_S = 604_800
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Options:
    """The driver's settings; ``domain`` is the host of the real service, None where plain HTTP is spoken."""

    key: Key
    administrator: str
    live: Literal["gateway", "poll"]
    domain: str | None
    sig_life_s: int
    message_life_s: int | None
    poll_s: float


def read_options(options: Mapping[str, str]) -> Options:
    """Read the options of a stack file; raises ``UsageError`` for one that is unknown, missing or unreadable."""
    unknown = next((name for name in options if name not in NAMES), None)
    if unknown is not None:
        raise UsageError(f"driver 'tencent' takes no option {unknown!r}", hint=f"it takes: {', '.join(NAMES)}")
    lacking = next((name for name in NAMES[:2] if not options.get(name)), None)
    if lacking is not None:
        raise UsageError(f"driver 'tencent' needs the option {lacking!r}", hint="write it below `driver:`")
    if not options["sdkappid"].isdecimal():
        raise UsageError(f"driver 'tencent': sdkappid is {options['sdkappid']!r}", hint="it is a number")
    live = options.get("live", "gateway")
    if live not in LIVE:
        raise UsageError(f"driver 'tencent': live is {live!r}", hint=f"it is one of: {', '.join(LIVE)}")
    return Options(
        key=Key(int(options["sdkappid"]), options["secret_key"]),
        administrator=options.get("administrator") or "administrator",
        live=cast("Literal['gateway', 'poll']", live),
        domain=options.get("domain") or None,
        sig_life_s=round(_seconds("sig_life", options.get("sig_life") or "1d", least=1.0)),
        message_life_s=_message_life(options.get("message_life", "")),
        poll_s=_seconds("poll", options.get("poll") or "1s", least=0.1),
    )


def _message_life(text: str) -> int | None:
    if not text:
        return None
    life_s = _seconds("message_life", text, least=0.0)
    if life_s > LONGEST_MESSAGE_LIFE_S:
        raise UsageError(f"driver 'tencent': message_life is {text!r}", hint="the service keeps messages 7d at most")
    return round(life_s)


def _seconds(name: str, text: str, *, least: float) -> float:
    digits = text.rstrip("dhms")
    try:
        seconds = float(digits) * SECONDS[text[len(digits) :]]
    except (ValueError, KeyError):
        seconds = -1.0
    if seconds < least:
        raise UsageError(f"driver 'tencent': {name} is {text!r}", hint="it is a time, such as 500ms, 10s or 7d")
    return seconds
