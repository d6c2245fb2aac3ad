"""The harness's side of a simulator's control port."""

from __future__ import annotations

from urllib.parse import quote

from harness.providers.api import ProviderKind, PushRule
from harness.providers.control_client import ControlClient
from harness.providers.rules import BadRule, rule_as_data, rule_from_data


class HttpProviderControl:
    """Commands one simulator (``harness.providers.api.ProviderControl``)."""

    def __init__(self, kind: ProviderKind, client: ControlClient) -> None:
        self.kind = kind.kind
        self.answers = kind.answers
        self._client = client

    async def rules(self) -> tuple[PushRule, ...]:
        """Read the rules in force, the oldest first."""
        told = await self._client.call("GET", "/control/rules")
        try:
            return tuple(rule_from_data(rule) for rule in told["rules"])
        except (KeyError, TypeError, BadRule):
            raise self._client.unlike("/control/rules") from None

    async def add_rule(self, rule: PushRule) -> None:
        """Put a rule in force; one of the same id is replaced."""
        data = {key: value for key, value in rule_as_data(rule).items() if key != "id"}
        await self._client.call("PUT", _path(rule.id), data)

    async def remove_rule(self, id: str) -> None:
        """Take a rule back; one that is not there is no error."""
        await self._client.call("DELETE", _path(id))

    async def hits(self, id: str) -> int:
        """Count the pushes that a rule has answered, removed rules included."""
        path = f"{_path(id)}/hits"
        told = await self._client.call("GET", path)
        try:
            return int(told["hits"])
        except (KeyError, TypeError, ValueError):
            raise self._client.unlike(path) from None


def _path(id: str) -> str:
    return f"/control/rules/{quote(id, safe='')}"
