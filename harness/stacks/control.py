"""The control port of the reference backend (docs/reference-protocol.md, "Control port")."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from harness.providers.control_client import ControlClient
from harness.stacks.api import Limits


class ReferenceControl:
    """Commands a service by its control port (``harness.stacks.api.ServiceControl``)."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    async def limits(self) -> Limits:
        """Read the rate limits in force."""
        path = "/control/limits"
        told = await self._client.call("GET", path)
        try:
            return Limits(_rate(told["per_user"]), _rate(told["overall"]))
        except (KeyError, TypeError, ValueError):
            raise self._client.unlike(path) from None

    async def set_limits(self, limits: Limits) -> None:
        """Change the rate limits while the service runs."""
        await self._client.call("PUT", "/control/limits", {"per_user": limits.per_user, "overall": limits.overall})

    async def valid_tokens(self, person: str) -> int:
        """Count the person's access tokens that are good now."""
        return await self._number("GET", f"/control/tokens?user={quote(person, safe='')}", "valid")

    async def expire_tokens(self, person: str) -> int:
        """Let the person's access tokens expire now; refresh tokens stay good. Returns how many expired."""
        return await self._number("POST", "/control/tokens/expire", "count", {"user": person})

    async def revoke_tokens(self, person: str) -> int:
        """Revoke the person's access and refresh tokens: only a new login helps. Returns how many."""
        return await self._number("POST", "/control/tokens/revoke", "count", {"user": person})

    async def wall_ns(self) -> int:
        """The service's own wall clock, nanoseconds since the epoch."""
        return await self._number("GET", "/control/time", "wall_ns")

    async def _number(self, method: str, path: str, name: str, body: Mapping[str, object] | None = None) -> int:
        told = await self._client.call(method, path, body)
        try:
            return int(told[name])
        except (KeyError, TypeError, ValueError):
            raise self._client.unlike(path) from None


def _rate(value: float | None) -> float | None:
    return None if value is None else float(value)
