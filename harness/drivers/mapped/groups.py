"""Groups and blocks of a mapped protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.drivers.api import Group, Refused, Unknown
from harness.drivers.mapped import reading
from harness.drivers.mapped.session import UNSUPPORTED, Done, MappedSession, done


class MappedGroupSession(MappedSession):
    """A session of a protocol that has groups or blocks."""

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a group of these people, the caller among them."""
        groups = self._model.groups
        if groups is None:
            return UNSUPPORTED
        names = self._protocol.names
        people = {
            "members": [names.users.get(member, member) for member in members],
            "member_ids": [names.ids.get(member, member) for member in members],
        }
        return self._protocol.understood(
            await self._ask("groups.create", groups.create, **people),
            "groups.create.answer",
            lambda frame: Group(
                reading.text("groups.create.answer", "conversation_id", groups.create.answer.conversation_id, frame)
                or ""
            ),
        )

    async def join(self, conversation_id: str) -> Done:
        """Become a member of a group."""
        return await self._do("groups", "join", conversation_id=conversation_id)

    async def leave(self, conversation_id: str) -> Done:
        """Leave a group."""
        return await self._do("groups", "leave", conversation_id=conversation_id)

    async def block(self, user: str) -> Done:
        """See nothing more of somebody."""
        return await self._do("blocks", "block", **self._other(user))

    async def unblock(self, user: str) -> Done:
        """Take a block back."""
        return await self._do("blocks", "unblock", **self._other(user))

    async def _do(self, section: str, what: str, **own: Any) -> Done:
        described = getattr(self._model, section)
        if described is None:
            return UNSUPPORTED
        return done(await self._ask(f"{section}.{what}", getattr(described, what), **own))

    def _other(self, user: str) -> dict[str, Any]:
        names = self._protocol.names
        return {"other": names.users.get(user, user), "other_id": names.ids.get(user)}
