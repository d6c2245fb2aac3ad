"""Sessions and a driver that do what a test's script says, for tests of client behaviours."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.clock import Clock
from harness.drivers.api import (
    Accepted,
    Account,
    Closed,
    Device,
    Endpoint,
    Incoming,
    Outgoing,
    Page,
    Person,
    ReceiptState,
    Refreshed,
    Refused,
    Stored,
    Unknown,
)

NEVER = None
"""In a script of answers: the request is swallowed and no answer ever comes."""

Answer = Accepted | Refused | Unknown | None


@dataclass(slots=True)
class ScriptedSession:
    """Answers sends from ``answers`` in turn, then accepts all; syncs from ``pages``, then with an empty page."""

    connection: str = "c1"
    credential: str = "token"
    answers: deque[Answer] = field(default_factory=deque)
    pages: deque[Page | Refused | Unknown] = field(default_factory=deque)
    sent: list[tuple[str, int]] = field(default_factory=list)
    marked: list[tuple[str, ReceiptState]] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    """For each close, whether it was abrupt."""
    pushed: asyncio.Queue[Incoming] = field(default_factory=asyncio.Queue)

    async def send(self, message: Outgoing, *, attempt: int) -> Accepted | Refused | Unknown:
        """Note the attempt and answer as scripted."""
        self.sent.append((message.client_message_id, attempt))
        answer = self.answers.popleft() if self.answers else accepted(message)
        if answer is NEVER:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets this event")
        return answer

    async def incoming(self) -> AsyncIterator[Incoming]:
        """Yield what the test pushes, up to the end of the session."""
        while True:
            item = await self.pushed.get()
            yield item
            if isinstance(item, Closed):
                return

    async def sync(self, cursor: str | None) -> Page | Refused | Unknown:
        """Answer the next scripted page."""
        self.cursors.append(cursor)
        return self.pages.popleft() if self.pages else Page((), cursor or "0", more=False)

    async def mark(self, message_id: str, state: ReceiptState) -> Refused | Unknown | None:
        """Take the mark."""
        self.marked.append((message_id, state))
        return None

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Issue nothing."""
        return Refused("not_supported")

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Take nothing."""
        del token
        return Refused("not_supported")

    async def close(self, *, abrupt: bool = False) -> None:
        """End the session as a real one does: ``incoming`` gets its last item."""
        self.closed.append(abrupt)
        self.pushed.put_nowait(Closed(None if abrupt else 1000, "", clean=not abrupt))


@dataclass(slots=True)
class ScriptedDriver:
    """Hands out ``dials`` in turn, then new scripted sessions; ``archive`` is what every account can see."""

    dials: deque[ScriptedSession | Refused | Unknown] = field(default_factory=deque)
    archive: Iterable[Stored] = ()
    kind: str = "scripted"
    capabilities: frozenset[str] = frozenset()
    rejected_without_effect: frozenset[int] = frozenset({400})
    sessions: list[ScriptedSession] = field(default_factory=list)

    def direct_conversation(self, one: str, other: str) -> str:
        """Name a conversation after its two people."""
        return "+".join(sorted((one, other)))

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Make an account for everybody."""
        del at
        return {person.name: Account(person.name, person.name, "secret-word") for person in people}

    async def connect(
        self, account: Account, device: Device, at: Endpoint, *, clock: Clock
    ) -> ScriptedSession | Refused | Unknown:
        """Dial as scripted."""
        del account, at, clock
        if not self.dials:
            self.dials.append(ScriptedSession(f"{device.id}#{len(self.sessions) + 1}"))
        outcome = self.dials.popleft()
        if isinstance(outcome, ScriptedSession):
            self.sessions.append(outcome)
        return outcome

    async def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Yield the archive."""
        del account, at
        for stored in self.archive:
            yield stored


def accepted(message: Outgoing) -> Accepted:
    """The acknowledgement of a message that was stored under its own id."""
    return Accepted(f"m-{message.client_message_id}", message.conversation_id, conversation_seq=1)
