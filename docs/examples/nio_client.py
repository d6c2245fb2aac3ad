"""matrix-nio as the client under test: JSON lines on its standard streams, a Matrix homeserver on the other side.

What is judged is the library: how it holds its connection, how long it waits, what it repeats and how. Beside it stands
only what every app adds: one message after the other, the gaps of limited timelines, another log-in when the token is
refused. What the lines mean is said in docs/bring-your-own.md.
"""

import asyncio
import json
import sys
from urllib.parse import unquote, urlsplit

import aiohttp
import nio

POLL_MS = 1000
PAGE = 100
FILTER = {"presence": {"types": []}, "room": {"timeline": {"limit": PAGE}}}
CLIENT_ID = "dev.chat-chaos.id"
"""Key in a message's content by which the harness knows it again: Matrix tells others no transaction id."""
SEND = "/send/m.room.message/"
NEW_TOKEN, NO_USE = "M_UNKNOWN_TOKEN", ("M_FORBIDDEN", "M_TOO_LARGE", "M_BAD_JSON")


def say(what, **fields):
    """Tell the harness something; one line, written at once."""
    sys.stdout.write(json.dumps({"say": what, **fields}) + "\n")
    sys.stdout.flush()


class Watched(nio.AsyncClient):
    """matrix-nio, of which each request to send is told: the library repeats them by itself."""

    async def send(self, method, path, *args, **kwargs):
        """Make one attempt."""
        place = urlsplit(path).path
        op = unquote(place.rpartition(SEND)[2]) if SEND in place else None
        if op is None:
            return await super().send(method, path, *args, **kwargs)
        say("sending", op=op)
        try:
            answer = await super().send(method, path, *args, **kwargs)
        except (TimeoutError, aiohttp.ClientError) as problem:
            say("failed", op=op, outcome="unknown", error_code=type(problem).__name__)
            raise
        if answer.status == 429:
            wait = answer.headers.get("Retry-After")
            told = {"retry_after_ms": int(wait) * 1000} if wait else {}
            say("failed", op=op, outcome="refused", error_code="M_LIMIT_EXCEEDED", http_status=429, **told)
        return answer


class Client:
    """An app around the library."""

    def __init__(self, me):
        self.me = me
        self.nio = Watched(me["chat"], me["user"], config=nio.AsyncClientConfig(request_timeout=3))
        self.online, self.up, self.written = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.outbox, self.seen, self.wanted = [], set(), []
        self.polling = None

    async def run(self):
        """Live until the program ends."""
        self.online.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.send_all())
            while True:
                await self.online.wait()
                self.polling = asyncio.create_task(self.live())
                await asyncio.wait([self.polling])

    async def live(self):
        """Log in where there is no token, then poll; a lost connection is the library's to mend."""
        try:
            if not self.nio.access_token:
                await self.log_in()
            while True:
                await self.poll()
        except (TimeoutError, aiohttp.ClientError) as problem:
            self.down(type(problem).__name__)
            await asyncio.sleep(0.2)
        finally:
            self.down("left", clean=True)

    async def log_in(self):
        """Get a token; without one there is nothing to be done here."""
        answer = await self.nio.login(self.me["password"], device_name=self.me["device"])
        if not isinstance(answer, nio.LoginResponse):
            sys.exit(f"no log-in: {answer.status_code}")

    async def poll(self):
        """Fetch what is new, or wait for it: the first answer of a connection is what was missed."""
        settling, quiet = list(self.wanted), not self.outbox
        watch = asyncio.create_task(self.notice())
        try:
            answer = await self.nio.sync(timeout=POLL_MS if self.up.is_set() else 0, sync_filter=FILTER)
        finally:
            watch.cancel()
        if isinstance(answer, nio.SyncError):
            self.down(answer.status_code or "sync_failed")
            if answer.status_code == NEW_TOKEN:
                await self.log_in()
            await asyncio.sleep(0.2)
            return
        news = await self.take(answer, "live" if self.up.is_set() else "sync")
        if not self.up.is_set():
            say("connected")
            self.up.set()
        elif quiet and not news and not self.outbox:
            for number in settling:
                say("synced", id=number)
                self.wanted.remove(number)

    async def notice(self):
        """The library repeats a lost poll without a word: one that takes longer than agreed was lost."""
        await asyncio.sleep(POLL_MS / 1000 + 1.5)
        self.down("poll_lost")

    async def take(self, answer, via):
        """Show what an answer brought; True if that was anything."""
        news = False
        for room, info in answer.rooms.join.items():
            events = list(info.timeline.events)
            if info.timeline.limited:
                events = await self.missed(room, info.timeline.prev_batch) + events
            for event in events:
                news = self.received(room, event, via) or news
        return news

    async def missed(self, room, start):
        """Read a room backwards from a gap to what is known; oldest first."""
        found = []
        while start:
            page = await self.nio.room_messages(room, start, limit=PAGE)
            if isinstance(page, nio.RoomMessagesError):
                await asyncio.sleep(0.2)
                continue
            new = [event for event in page.chunk if event.event_id not in self.seen]
            found += new
            start = page.end if page.chunk and len(new) == len(page.chunk) else None
        return found[::-1]

    def received(self, room, event, via):
        """Show a message."""
        if not isinstance(event, nio.RoomMessageText) or event.event_id in self.seen:
            return False
        self.seen.add(event.event_id)
        content = event.source["content"]
        say(
            "received",
            via=via,
            message_id=event.event_id,
            client_message_id=content.get(CLIENT_ID),
            conversation_id=room,
            sender=event.sender.removeprefix("@").partition(":")[0],
            body=event.body,
            server_time_ms=event.server_timestamp,
        )
        return True

    async def send_all(self):
        """Send in the order of writing; the next message leaves when the one before is settled."""
        while True:
            await self.written.wait()
            await self.settle(self.outbox[0])
            self.outbox.pop(0)
            if not self.outbox:
                self.written.clear()

    async def settle(self, message):
        """Have the library send a message until the service has taken or finally refused it: one transaction."""
        op = message["op"]
        content = {"msgtype": "m.text", "body": message["body"], CLIENT_ID: op}
        while True:
            await self.up.wait()
            try:
                answer = await self.nio.room_send(message["conversation_id"], "m.room.message", content, tx_id=op)
            except (TimeoutError, aiohttp.ClientError):
                continue
            if isinstance(answer, nio.RoomSendResponse):
                say("accepted", op=op, message_id=answer.event_id)
                return
            final, again = answer.status_code in NO_USE, answer.status_code == NEW_TOKEN
            outcome = "refused" if final or again else "unknown"
            say("failed", op=op, outcome=outcome, error_code=answer.status_code or "bad_answer", final=final)
            if final:
                return
            await asyncio.sleep(0.5)

    def down(self, reason, clean=False):
        """The connection has ended."""
        if self.up.is_set():
            self.up.clear()
            say("disconnected", reason=reason, clean=clean)

    def do(self, line):
        """Carry out what the harness tells."""
        what = line["do"]
        if what == "send":
            self.outbox.append(line)
            self.written.set()
        elif what == "sync":
            self.wanted.append(line["id"])
        elif what == "ping":
            say("pong", id=line["id"])
        elif what == "online":
            self.online.set()
        elif what == "offline":
            self.online.clear()
            if self.polling is not None:
                self.polling.cancel()


async def main():
    """Do what the lines say, until one says stop or there are no more."""
    lines = asyncio.StreamReader(limit=1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    client = Client(json.loads(await lines.readline()))
    running = asyncio.create_task(client.run())
    while text := await lines.readline():
        line = json.loads(text)
        if line["do"] == "stop":
            break
        client.do(line)
    running.cancel()
    await asyncio.wait([running])
    await client.nio.close()


if __name__ == "__main__":
    asyncio.run(main())
