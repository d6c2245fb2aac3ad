"""``ChatUser`` for locustfiles: people of a chat as Locust's users, played by a swarm process.

``locust -f locustfile.py --host http://127.0.0.1:8080`` runs them; docs/load.md has an example. Calls block their own
greenlet only. The people have the drivers, the outbox and the recorder of any other run, in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gevent import GreenletExit
from gevent.queue import Empty, Queue
from locust import User
from locust.env import Environment

from harness.core.errors import ChatChaosError
from harness.load.addresses import Addresses
from harness.load.guests import Guests
from harness.load.playing import playing_in, report

SEND_WITHIN_S = 30.0


class NotAccepted(Exception):
    """A message that was not accepted, as Locust shows it: its error code."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message; ``ms`` is the time from the call to the answer, over all ``attempts``."""

    client_message_id: str
    accepted: bool
    attempts: int
    ms: float
    message_id: str | None = None
    error_code: str | None = None

    def __bool__(self) -> bool:
        return self.accepted


@dataclass(frozen=True, slots=True)
class Message:
    """A message that reached somebody."""

    sender: str
    text: str
    message_id: str
    conversation_id: str


class Chat:
    """One person with a chat app open (``ChatUser.chat``)."""

    def __init__(self, guests: Guests, user: User) -> None:
        self._guests = guests
        self._user = user
        self._arrived: Queue[Message] = Queue()
        self.name = guests.join(self._hear)
        """What the person is called."""

    def send(self, to: str, text: str, *, timeout: float = SEND_WITHIN_S) -> Sent:
        """Write to somebody and return once the service has acknowledged it, finally refused it, or time is over.

        The outbox retries like a good app's until then, and afterwards: a message with the error code
        ``no_answer_yet`` may still be accepted. Counts as ``send``, or as its failure.
        """
        answer = self._guests.write(self.name, to, text, timeout)
        sent = Sent(**{key: answer[key] for key in Sent.__slots__ if key in answer})
        self._report("send", sent.ms, len(text), None if sent else NotAccepted(sent.error_code))
        return sent

    def receive(self, timeout: float | None = None) -> Message | None:
        """Return the next message that reached this person; wait ``timeout`` seconds for it (0: not at all).

        None when none came. A message is returned once, however often the service delivers it.
        """
        try:
            found: Message = self._arrived.get(block=timeout != 0, timeout=timeout)
        except Empty:
            return None
        return found

    def sync(self) -> bool:
        """Fetch everything that is there for this person; False when the connection did not carry that far."""
        return self._guests.catch_up(self.name)

    def go_offline(self) -> None:
        """Say goodbye for a while; what others write meanwhile is fetched by ``come_back``."""
        self._guests.go_offline(self.name)

    def come_back(self) -> None:
        """Connect again and fetch what was missed; raises ``EnvironmentFault`` when that did not succeed in time."""
        self._guests.come_back(self.name)

    def another(self) -> str | None:
        """Return the name of somebody else who is here now, by chance; None when there is nobody."""
        return self._guests.another(self.name)

    def leave(self) -> None:
        """Go for good."""
        self._guests.part(self.name)

    def _hear(self, arrived: Mapping[str, Any]) -> None:
        self._arrived.put(Message(*(arrived[key] for key in Message.__slots__)))
        # A push answers nothing that this person asked: it has no response time.
        self._report("deliver", None, len(arrived["text"]), None)

    def _report(self, name: str, ms: float | None, length: int, problem: Exception | None) -> None:
        report(self._user.environment, name, ms, length, problem, self._user.context())


class ChatUser(User):
    """A person of a chat: ``self.chat`` writes, receives, goes and comes back.

    ``host`` (``--host``) is where people connect to. What is not set here is taken from the environment, which
    ``chat-chaos stack up STACK -- locust …`` fills in: ``CHAT_CHAOS_STACK``, ``CHAT_CHAOS_CHAT``, ``CHAT_CHAOS_AUTH``,
    ``CHAT_CHAOS_DIRECT``, ``CHAT_CHAOS_DIRECT_AUTH``.
    """

    abstract = True
    stack: ClassVar[str | None] = None
    """Name or file of the stack: its protocol and its promises; ``reference`` when nothing says otherwise."""
    auth_host: ClassVar[str | None] = None
    """Where people log in, when that is elsewhere."""
    direct_host: ClassVar[str | None] = None
    """Past every proxy: for accounts, and for reading the archives at the end."""
    direct_auth_host: ClassVar[str | None] = None
    """The same for logins, when that is elsewhere."""
    parameters: ClassVar[Mapping[str, str]] = {}
    """Parameters of the stack file."""
    chat: Chat

    @classmethod
    def addresses(cls, host: str | None) -> Addresses:
        """Return where the people of this class go."""
        return Addresses(
            stack=cls.stack or os.environ.get("CHAT_CHAOS_STACK") or "reference",
            chat=host or cls.host or os.environ.get("CHAT_CHAOS_CHAT"),
            auth=cls.auth_host or os.environ.get("CHAT_CHAOS_AUTH"),
            direct=cls.direct_host or os.environ.get("CHAT_CHAOS_DIRECT"),
            direct_auth=cls.direct_auth_host or os.environ.get("CHAT_CHAOS_DIRECT_AUTH"),
            parameters=tuple(cls.parameters.items()),
        )

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        began = self.on_start

        def on_start() -> None:
            self._come()
            began()

        # Locust lets nobody override run(); a subclass's on_start, whether or not it calls ours, finds the chat open.
        setattr(self, "on_start", on_start)  # noqa: B010 - mypy takes a method for something that stays

    def _come(self) -> None:
        """Join, or end this user: Locust would show the traceback of anything else but ``GreenletExit``."""
        playing = playing_in(self.environment)
        try:
            guests = playing.guests(self.addresses(self.environment.host))
        except ChatChaosError as problem:
            playing.give_up(problem)
            raise GreenletExit from None
        try:
            self.chat = Chat(guests, self)
        except ChatChaosError as problem:
            playing.failed("connect", problem)
            raise GreenletExit from None
        self.greenlet.link(lambda _: self.chat.leave())
