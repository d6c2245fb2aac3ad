"""A complete driver: the chat of ``driver_backend.py``, spoken as a device. docs/bring-your-own.md walks through it.

One call is one wire attempt. Nothing here retries, remembers what was seen, or hides an answer: the harness has a
correct client for that, and records every attempt below it.
"""

import asyncio
import itertools

import httpx2

from harness.core.errors import UsageError
from harness.drivers.api import (
    Accepted,
    Account,
    Closed,
    Credential,
    Delivered,
    IncompleteRead,
    Page,
    Refused,
    Stored,
    Unknown,
)

POLL_S = 1.0
LIMITS = httpx2.Timeout(2.5, connect=2.0)


def make(options):
    """Return the driver; ``options`` are the other keys of ``driver:`` in the stack file."""
    if options:
        raise UsageError(f"this driver takes no option {next(iter(options))!r}")
    return TinyDriver()


async def ask(http, method, url, **request):
    """One request; without a connection nothing was sent, after that the outcome is unknown until it is told."""
    try:
        answer = await http.request(method, url, **request)
    except (httpx2.ConnectError, httpx2.ConnectTimeout):
        return Refused("connect_failed")
    except httpx2.TimeoutException:
        return Unknown("timeout")
    except httpx2.TransportError:
        return Unknown("connection_lost")
    if answer.status_code in TinyDriver.rejected_without_effect:
        return Refused(f"http_{answer.status_code}", http_status=answer.status_code)
    return answer.json() if answer.is_success else Unknown("http_error", http_status=answer.status_code)


def conversation(message):
    """The id that both sides compute."""
    return "+".join(sorted((message["from"], message["to"])))


def facts(message):
    """What a delivered and a stored message have in common."""
    return {
        "message_id": str(message["number"]),
        "client_message_id": message["id"],
        "conversation_id": conversation(message),
        "sender": message["from"],
        "body": message["text"],
        "conversation_seq": message["number"],
    }


class TinyDriver:
    """The protocol."""

    kind = "tiny"
    capabilities = frozenset()
    rejected_without_effect = frozenset({400, 404, 413})

    def __init__(self):
        self.connections = itertools.count(1)
        self.http = httpx2.AsyncClient(trust_env=False, timeout=LIMITS)

    def direct_conversation(self, one, other):
        """Whoever writes first."""
        return conversation({"from": one, "to": other})

    async def provision(self, people, at):
        """Nobody needs an account here."""
        return {person.name: Account(person.name, person.name, "") for person in people}

    async def login(self, account, device, at):
        """Nor a token."""
        return Credential("")

    async def connect(self, account, device, at, *, clock, credential=None):
        """The live connection is a chain of long polls, which starts at the end of what there is now."""
        answer = await events(self.http, at, account.user, after=0, wait=0)
        if isinstance(answer, Refused | Unknown):
            return answer
        return TinySession(self.http, account, at, f"{device.id}#{next(self.connections)}", answer["next"])

    async def read_all(self, account, at):
        """The oracle's way: everything, or an exception, because half of an archive proves no loss."""
        answer = await events(self.http, at, account.user, after=0, wait=0)
        if isinstance(answer, Refused | Unknown):
            raise IncompleteRead(f"the archive of {account.person}: {answer.error_code}")
        for message in answer["events"]:
            yield Stored(**facts(message))


class TinySession:
    """One device, connected."""

    credential = ""

    def __init__(self, http, account, at, connection, after):
        self.http, self.account, self.at, self.connection, self.after = http, account, at, connection, after
        self.left = asyncio.Event()

    async def send(self, message, *, attempt):
        """Send once; the caller cancels when it takes too long."""
        said = {"id": message.client_message_id, "from": self.account.user, "to": message.recipient}
        answer = await ask(self.http, "POST", f"{self.at.chat}/messages", json={**said, "text": message.body})
        if isinstance(answer, Refused | Unknown):
            return answer
        return Accepted(str(answer["number"]), message.conversation_id, conversation_seq=answer["number"])

    async def incoming(self):
        """What comes live, and at the end how the connection ended."""
        while not self.left.is_set():
            polling = asyncio.create_task(events(self.http, self.at, self.account.user, self.after, POLL_S))
            leaving = asyncio.create_task(self.left.wait())
            await asyncio.wait({polling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            if not polling.done():
                polling.cancel()
                break
            answer = polling.result()
            if isinstance(answer, Refused | Unknown):
                yield Closed(None, answer.error_code, clean=False)
                return
            self.after = answer["next"]
            for message in answer["events"]:
                yield Delivered(**facts(message))
        yield Closed(None, "left", clean=True)

    async def sync(self, cursor):
        """What came after a cursor, in one page."""
        answer = await events(self.http, self.at, self.account.user, after=int(cursor or 0), wait=0)
        if isinstance(answer, Refused | Unknown):
            return answer
        return Page(tuple(Delivered(**facts(one)) for one in answer["events"]), str(answer["next"]), more=False)

    async def mark(self, message_id, state):
        """This service knows no receipts: there is nothing to tell."""

    async def refresh(self):
        """There are no tokens: only a new login would help."""
        return Refused("no_tokens", http_status=401)

    async def register_push(self, token):
        """Not in the capabilities, so that nobody asks."""
        return Refused("no_push", http_status=404)

    async def close(self, *, abrupt=False):
        """Poll no more."""
        self.left.set()


async def events(http, at, user, after, wait):
    """One long poll."""
    return await ask(http, "GET", f"{at.chat}/events", params={"user": user, "after": after, "wait": wait})
