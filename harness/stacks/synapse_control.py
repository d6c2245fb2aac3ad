"""Limits and log-ins of a Synapse, changed from outside by its admin API, past every proxy.

Source of all facts: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/ (its pages on
registration, users and devices).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from harness.core.errors import ControlUnavailable
from harness.core.stack import StackSpec
from harness.providers.control_client import ControlClient
from harness.stacks.api import Limits

CHAT = "client->chat"
WHO = "the admin API of Synapse"
ADMIN = "chat-chaos-control"
REGISTER = "/_synapse/admin/v1/register"
USERS = "/_synapse/admin/v2/users"
MOST_USERS = 10_000
AT_ONCE = 8
HALF_SECOND_NS = 500_000_000

CANNOT: Mapping[str, str] = {
    "token.expire": (
        "Synapse cannot be told to let a token expire; to have all of them live shortly: --set synapse.token_ttl=3s"
    ),
}
"""By the kind of a fault, why it cannot be commanded."""
LIMITS_SINCE = "1.33"
"""First release with ``override_ratelimit`` (https://github.com/matrix-org/synapse/pull/9648)."""
CANNOT_TOGETHER = "Synapse limits each person, not all of them together"


def control_of(spec: StackSpec, direct_url: Callable[[str], str]) -> SynapseControl | None:
    """Return the control of a stack that says ``control: synapse``, None for any other."""
    if spec.control != "synapse" or CHAT not in spec.links:
        return None
    known = spec.parameters
    url = direct_url(spec.links[CHAT].service)
    return SynapseControl(url, known.get("server_name", ""), known.get("registration_secret", ""))


class SynapseControl:
    """Commands a homeserver as an administrator of its own (``harness.stacks.api.ServiceControl``).

    The account is made with the registration secret when it is first needed.
    """

    def __init__(self, url: str, server_name: str, secret: str) -> None:
        self._url = url
        self._server_name = server_name
        self._secret = secret
        self._client: ControlClient | None = None
        self._making = asyncio.Lock()

    async def limits(self) -> Limits:
        """Read what overrides the configured limits; raises ``ControlUnavailable`` when people have different ones."""
        some = asyncio.Semaphore(AT_ONCE)

        async def of(user: str) -> float | None:
            async with some:
                found = await self._call("GET", _override(user))
            rate = found.get("messages_per_second")
            return None if rate is None else float(rate)

        found = set(await asyncio.gather(*map(of, await self._people())))
        if len(found) > 1:
            raise ControlUnavailable(f"{WHO} tells of different limits for different people")
        return Limits(per_user=found.pop() if found else None, overall=None)

    async def set_limits(self, limits: Limits) -> None:
        """Override everybody's limit, with bursts of a second's worth; None goes back to the configured limit."""
        if limits.overall is not None:
            raise ControlUnavailable(CANNOT_TOGETHER)
        rate = limits.per_user
        if rate is not None and (rate < 1 or rate != int(rate)):
            raise ControlUnavailable(f"{WHO} takes whole messages a second, from 1, not {rate:g}")
        some = asyncio.Semaphore(AT_ONCE)

        async def override(user: str) -> None:
            async with some:
                if rate is None:
                    await self._call("DELETE", _override(user))
                else:
                    wanted = {"messages_per_second": int(rate), "burst_count": int(rate)}
                    await self._call("POST", _override(user), wanted)

        await asyncio.gather(*map(override, await self._people()))

    async def valid_tokens(self, person: str) -> int:
        """Count the person's log-ins: each device has one."""
        return len(await self._devices(person))

    async def expire_tokens(self, person: str) -> int:
        """Raise ``ControlUnavailable``: there is no such command."""
        del person
        raise ControlUnavailable(CANNOT["token.expire"])

    async def revoke_tokens(self, person: str) -> int:
        """End all log-ins of a person by removing their devices, with access and refresh tokens. Returns how many."""
        devices = await self._devices(person)
        if devices:
            await self._call("POST", f"{self._user(person)}/delete_devices", {"devices": devices})
        return len(devices)

    async def wall_ns(self) -> int:
        """The server's wall clock by the ``Date`` of an answer, which has whole seconds: half a second off at most."""
        client = ControlClient(self._url, "", WHO)
        date = await client.header("/_matrix/client/versions", "Date")
        try:
            return round(parsedate_to_datetime(date).timestamp() * 1e9) + HALF_SECOND_NS
        except ValueError:
            raise client.unlike("/_matrix/client/versions") from None

    async def _people(self) -> list[str]:
        found = await self._call("GET", f"{USERS}?guests=false&limit={MOST_USERS}")
        return [str(user["name"]) for user in found["users"] if not user.get("admin")]

    async def _devices(self, person: str) -> list[str]:
        found = await self._call("GET", f"{self._user(person)}/devices")
        return [str(device["device_id"]) for device in found["devices"]]

    def _user(self, person: str) -> str:
        return f"{USERS}/{quote(f'@{person}:{self._server_name}', safe='')}"

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        async with self._making:
            self._client = self._client or await self._administrator()
        return await self._client.call(method, path, body)

    async def _administrator(self) -> ControlClient:
        client = ControlClient(self._url, "", WHO)
        nonce = (await client.call("GET", REGISTER))["nonce"]
        name, password = f"{ADMIN}-{secrets.token_hex(4)}", secrets.token_urlsafe(24)
        text = f"{nonce}\0{name}\0{password}\0admin"
        mac = hmac.new(self._secret.encode(), text.encode(), hashlib.sha1).hexdigest()
        account = {"nonce": nonce, "username": name, "password": password, "admin": True, "mac": mac}
        made = await client.call("POST", REGISTER, account)
        return ControlClient(self._url, str(made["access_token"]), WHO)


def _override(user: str) -> str:
    return f"/_synapse/admin/v1/users/{quote(user, safe='')}/override_ratelimit"
