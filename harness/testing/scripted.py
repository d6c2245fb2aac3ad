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
    Credential,
    Device,
    Endpoint,
    Group,
    Incoming,
    Outgoing,
    Page,
    Person,
    ReceiptState,
    Refreshed,
    Refused,
    Stored,
    ToDevice,
    Unknown,
)

NEVER = None
"""In a script of answers: the request is swallowed and no answer ever comes."""

Answer = Accepted | Refused | Unknown | None


@dataclass(slots=True)
class ScriptedSession:
    """Answers sends from ``answers`` in turn, then accepts all; syncs from ``pages``, then with an empty page.

    ``refreshes`` are answered in turn, then with a new credential each, after ``refresh_takes_s``. ``errands`` answers
    requests for groups, blocks, push tokens and messages to devices in turn, then does them all; ``asked`` notes them.
    """

    connection: str = "c1"
    credential: str = "token"
    resumed: bool = False
    answers: deque[Answer] = field(default_factory=deque)
    pages: deque[Page | Refused | Unknown] = field(default_factory=deque)
    sent: list[tuple[str, int]] = field(default_factory=list)
    marked: list[tuple[str, ReceiptState]] = field(default_factory=list)
    marks: deque[Refused | Unknown | None] = field(default_factory=deque)
    cursors: list[str | None] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    """For each close, whether it was abrupt."""
    pushed: asyncio.Queue[Incoming] = field(default_factory=asyncio.Queue)
    refreshes: deque[Refreshed | Refused | Unknown | None] = field(default_factory=deque)
    refresh_takes_s: float = 0.0
    refreshed: int = 0
    errands: deque[Refused | Unknown | None] = field(default_factory=deque)
    asked: list[tuple[str, str]] = field(default_factory=list)

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
        """Note the mark and answer as scripted, or take it."""
        self.marked.append((message_id, state))
        return self.marks.popleft() if self.marks else None

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Answer as scripted, with None never; a new credential is used from now on."""
        self.refreshed += 1
        answer = self.refreshes.popleft() if self.refreshes else Refreshed(Credential(f"token-{self.refreshed}"))
        if answer is NEVER:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets this event")
        await asyncio.sleep(self.refresh_takes_s)
        if isinstance(answer, Refreshed):
            self.credential = answer.credential.token
        return answer

    async def register_push(self, token: str | None) -> Refused | Unknown | None:
        """Take or forget a token."""
        return self._errand("register_push", token or "")

    async def create_group(self, members: Sequence[str]) -> Group | Refused | Unknown:
        """Make a group named after its members."""
        return self._errand("create_group", ",".join(members)) or Group("g:" + "+".join(members))

    async def join(self, conversation_id: str) -> Refused | Unknown | None:
        """Join."""
        return self._errand("join", conversation_id)

    async def leave(self, conversation_id: str) -> Refused | Unknown | None:
        """Leave."""
        return self._errand("leave", conversation_id)

    async def block(self, user: str) -> Refused | Unknown | None:
        """Block."""
        return self._errand("block", user)

    async def unblock(self, user: str) -> Refused | Unknown | None:
        """Unblock."""
        return self._errand("unblock", user)

    async def send_to_device(self, message: ToDevice) -> Refused | Unknown | None:
        """Keep a message for a device."""
        return self._errand("send_to_device", f"{message.id} for {message.device}")

    def _errand(self, what: str, whom: str) -> Refused | Unknown | None:
        self.asked.append((what, whom))
        return self.errands.popleft() if self.errands else None

    async def close(self, *, abrupt: bool = False) -> None:
        """End the session as a real one does: ``incoming`` gets its last item."""
        self.closed.append(abrupt)
        self.pushed.put_nowait(Closed(None if abrupt else 1000, "", clean=not abrupt))


@dataclass(slots=True)
class ScriptedDriver:
    """Hands out ``dials`` in turn, then new scripted sessions; ``archive`` is what every account can see.

    ``logins`` are answered in turn, then with a credential each. A session that was dialled has the token it was
    dialled with.
    """

    dials: deque[ScriptedSession | Refused | Unknown] = field(default_factory=deque)
    logins: deque[Credential | Refused | Unknown] = field(default_factory=deque)
    logged_in: int = 0
    shown: list[str] = field(default_factory=list)
    """The token of each dial."""
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

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:
        """Log in as scripted."""
        del account, device, at
        self.logged_in += 1
        return self.logins.popleft() if self.logins else Credential(f"login-{self.logged_in}", expires_in_s=60.0)

    async def connect(
        self, account: Account, device: Device, at: Endpoint, *, clock: Clock, credential: Credential | None = None
    ) -> ScriptedSession | Refused | Unknown:
        """Dial as scripted."""
        del account, at, clock
        token = credential.token if credential else "token"
        self.shown.append(token)
        if not self.dials:
            self.dials.append(ScriptedSession(f"{device.id}#{len(self.sessions) + 1}"))
        outcome = self.dials.popleft()
        if isinstance(outcome, ScriptedSession):
            outcome.credential = token
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
