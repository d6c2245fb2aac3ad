"""One group conversation of a run: its making, its changes, and who writes next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from harness.core.errors import EnvironmentFault, UsageError
from harness.core.plan import GroupWorkload
from harness.drivers.api import Groups, Outgoing, Refused, Session, Unknown
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent
from harness.workloads.group import Change, Turn, changes

Done = Refused | Unknown | None
Acts = Callable[[Groups], Awaitable[Done]]


class GroupChat:
    """Plays one group; each person acts and writes on their first device.

    A change that the service finally refuses leaves its ``membership_changing`` without ``membership_changed``: who
    belongs to the audience is then open, and the checks treat it so.
    """

    def __init__(
        self,
        workload: GroupWorkload,
        agents: Mapping[str, Agent],
        recorder: Recorder,
        *,
        index: int,
        salt: str,
    ) -> None:
        self._workload = workload
        self._agents = agents
        self._recorder = recorder
        self._index = index
        self._salt = salt
        self._conversation = ""
        self._writers = set(workload.members)

    @property
    def conversation(self) -> str:
        """The id of the group once it was made."""
        return self._conversation

    async def create(self) -> None:
        """Have the first member make the group; raises ``EnvironmentFault`` when the service will not."""
        creator = self._workload.members[0]
        members = list(self._workload.members)
        group = await self._agents[creator].errands.run(lambda session: as_groups(session).create_group(members))
        if isinstance(group, Refused):
            raise EnvironmentFault(
                f"the service made no group for {creator}: {group.error_code}", hint="its log says more"
            )
        self._conversation = group.conversation_id
        for member in members:
            self._record("membership_changed", creator, member, "create")

    def post(self, turn: Turn, due_ns: int) -> None:
        """Let a member write; with nobody left the turn passes."""
        writers = sorted(self._writers)
        if not writers:
            return
        sender = turn.sender(writers)
        agent = self._agents[sender]
        message = Outgoing(
            client_message_id=f"{sender}-{self._index}-{turn.number:05d}-{self._salt}",
            conversation_id=self._conversation,
            recipient=None,
            body=turn.body,
            client_time_ns=agent.clock.wall_ns(),
        )
        agent.outbox.submit(message, intended_ns=due_ns)

    async def play_changes(self) -> None:
        """Carry out the plan's joins, leaves and blocks, whose times count from now."""
        began_s = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as people:
            for own in changes(self._workload).values():
                people.create_task(self._act_in_turn(own, began_s))

    async def _act_in_turn(self, own: tuple[Change, ...], began_s: float) -> None:
        for change in own:
            await asyncio.sleep(began_s + change.at_s - asyncio.get_running_loop().time())
            await self._change(change)

    async def _change(self, change: Change) -> None:
        if change.kind == "leave":
            self._writers.discard(change.person)
        self._record("membership_changing", change.person, change.whom, change.kind)
        act = self._act(change)
        if isinstance(await self._agents[change.person].errands.run(lambda session: act(as_groups(session))), Refused):
            return
        self._record("membership_changed", change.person, change.whom, change.kind)
        if change.kind == "join":
            self._writers.add(change.person)

    def _act(self, change: Change) -> Acts:
        match change.kind:
            case "join":
                return lambda session: session.join(self._conversation)
            case "leave":
                return lambda session: session.leave(self._conversation)
            case "block":
                return lambda session: session.block(change.whom)

    def _record(self, event: str, who: str, whom: str, change: str) -> None:
        self._recorder.record(
            event,
            device=self._agents[who].device.id,
            sender=who,
            recipient=whom,
            conversation_id=None if change == "block" else self._conversation,
            detail={"change": change},
        )


def as_groups(session: Session) -> Groups:
    """Return the session as one that can make groups; raises ``UsageError`` for a protocol that has none."""
    if not isinstance(session, Groups):
        raise UsageError("the stack's driver has no group conversations", hint="add `needs: [groups]` to the scenario")
    return session
