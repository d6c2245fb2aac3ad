"""Push tokens of the simulators: they carry their device in clear, which real ones do not."""

from __future__ import annotations

import re

_SHAPE = re.compile(r"up\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.[A-Za-z0-9_-]{1,256}", re.ASCII)


def push_token(device: str, chance: str) -> str:
    """Return the token of a device (``bob/phone``): ``up.bob.phone.CHANCE``.

    ``chance`` tells the tokens of one device apart. Raises ``ValueError`` when that makes no token.
    """
    token = f"up.{device.replace('/', '.', 1)}.{chance}"
    if device_of(token) != device:
        raise ValueError(f"no push token can be made for the device {device!r}")
    return token


def device_of(token: str) -> str | None:
    """Return the device that a token belongs to, or None for a text that is no token."""
    found = _SHAPE.fullmatch(token)
    return None if found is None else f"{found[1]}/{found[2]}"
