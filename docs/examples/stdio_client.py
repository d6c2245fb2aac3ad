"""A whole chat client as a program: JSON lines on its standard streams, the reference protocol towards the service.

Written with the standard library alone, to be read; put your own SDK where ``Wire`` is. What the lines mean is said in
docs/bring-your-own.md. Start it by hand and type {"do": "ping", "id": 1}.
"""

import asyncio
import base64
import itertools
import json
import os
import random
import sys
import urllib.request
from urllib.parse import urlsplit

ANSWER_WITHIN_S = 1.0
SILENT_AFTER_S = 2.5


class Lost(Exception):
    """The connection is gone, or was never there."""


class Refused(Exception):
    """The service has said no."""

    def __init__(self, frame):
        super().__init__(frame["code"])
        self.frame = frame


def say(what, **fields):
    """Tell the harness something; one line, written at once."""
    sys.stdout.write(json.dumps({"say": what, **fields}) + "\n")
    sys.stdout.flush()


class Wire:
    """One WebSocket (RFC 6455) with requests that are matched to their answers."""

    def __init__(self, reader, writer, heard):
        self.reader, self.writer, self.heard = reader, writer, heard
        self.refs, self.waiting = itertools.count(1), {}

    @classmethod
    async def open(cls, url, token, heard):
        """Shake hands; raises Lost when that fails."""
        place = urlsplit(url)
        key = base64.b64encode(os.urandom(16)).decode()
        try:
            async with asyncio.timeout(SILENT_AFTER_S):
                reader, writer = await asyncio.open_connection(place.hostname, place.port)
                writer.write(
                    f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
                    f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                    f"Authorization: Bearer {token}\r\n\r\n".encode()
                )
                head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError, TimeoutError):
            raise Lost from None
        if not head.startswith(b"HTTP/1.1 101"):
            writer.close()
            raise Lost
        return cls(reader, writer, heard)

    def put(self, data, opcode=1):
        """Write one masked frame."""
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2, "big")
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        self.writer.write(bytes([0x80 | opcode]) + length + mask + masked)

    async def ask(self, kind, **fields):
        """Make one request and wait for its answer; raises Lost, Refused or TimeoutError."""
        ref = str(next(self.refs))
        answer = self.waiting[ref] = asyncio.get_running_loop().create_future()
        self.put(json.dumps({"type": kind, "ref": ref, **fields}).encode())
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                frame = await answer
        finally:
            del self.waiting[ref]
        if frame["type"] == "error":
            raise Refused(frame)
        return frame

    async def serve(self):
        """Read until the connection ends or nothing has been heard for too long."""
        pinging = asyncio.create_task(self.ping())
        try:
            while True:
                async with asyncio.timeout(SILENT_AFTER_S):
                    opcode, data = await self.frame()
                if opcode == 8:
                    return
                if opcode == 9:
                    self.put(data, opcode=10)
                elif opcode == 1:
                    self.take(json.loads(data))
        except (OSError, EOFError, TimeoutError):
            return
        finally:
            pinging.cancel()
            self.writer.transport.abort()
            for answer in self.waiting.values():
                if not answer.done():
                    answer.set_exception(Lost())

    async def ping(self):
        """A connection that is only read notices its death by nothing else."""
        while True:
            await asyncio.sleep(SILENT_AFTER_S / 3)
            self.put(b"", opcode=9)

    async def frame(self):
        """Read one frame of the service."""
        first, size = await self.reader.readexactly(2)
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 15, await self.reader.readexactly(size)

    def take(self, frame):
        """Hand an answer to whoever waits for it, everything else to the client."""
        if "ref" not in frame:
            self.heard(frame)
        elif (answer := self.waiting.get(frame["ref"])) is not None and not answer.done():
            answer.set_result(frame)


class Client:
    """What an app does: stay connected, send each message until it is settled, fetch what was missed."""

    def __init__(self):
        self.me, self.token, self.cursor, self.wire = None, None, None, None
        self.up, self.online = asyncio.Event(), asyncio.Event()
        self.outbox, self.written, self.marked = [], asyncio.Event(), set()
        self.syncing = asyncio.Lock()
        self.tasks = set()

    def spawn(self, work):
        """Run something beside, and keep it from being forgotten."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def do(self, line):
        """Carry out what the harness tells."""
        what = line.pop("do")
        if what == "start":
            self.me = line
            self.online.set()
            self.spawn(self.stay_connected())
            self.spawn(self.send_all())
        elif what == "send":
            self.outbox.append(line)
            self.written.set()
        elif what == "sync":
            self.spawn(self.settle(line["id"]))
        elif what == "ping":
            say("pong", id=line["id"])
        elif what == "online":
            self.online.set()
        elif what == "offline":
            self.online.clear()
            if self.wire is not None:
                self.wire.writer.close()

    async def stay_connected(self):
        """Connect again and again, with growing and scattered waits."""
        failures = 0
        while True:
            await self.online.wait()
            try:
                if self.token is None:
                    self.token = await asyncio.to_thread(self.login)
                url = self.me["chat"].replace("http", "ws", 1) + "/v1/ws"
                self.wire = await Wire.open(url, self.token, self.heard)
                failures = 0
                await self.live()
            except (Lost, OSError):
                failures += 1
                say("disconnected", reason="connect_failed")
            await asyncio.sleep(random.uniform(0.05, min(2.0, 0.1 * 2**failures)))

    def login(self):
        """Get a token over HTTP."""
        account = {name: self.me[name] for name in ("user", "password", "device")}
        request = urllib.request.Request(
            self.me["auth"] + "/v1/login", json.dumps(account).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=SILENT_AFTER_S) as answer:
            return json.load(answer)["token"]

    async def live(self):
        """One connection from its beginning to its end."""
        say("connected")
        self.up.set()
        self.spawn(self.catch_up())
        await self.wire.serve()
        self.up.clear()
        say("disconnected", reason="connection_lost", clean=not self.online.is_set())

    async def send_all(self):
        """Send in the order of writing; the next message leaves when the one before is settled."""
        while True:
            await self.written.wait()
            message = self.outbox[0]
            await self.send(message)
            self.outbox.remove(message)
            if not self.outbox:
                self.written.clear()

    async def send(self, message):
        """Try until the service has taken or finally refused it: each time the same message, so the same id."""
        op, attempt = message["op"], 0
        while True:
            await self.up.wait()
            attempt += 1
            name = op
            say("sending", op=op, client_message_id=name)
            wait = 0
            try:
                ack = await self.wire.ask("send", client_message_id=name, to=message["to"], body=message["body"])
            except Refused as no:
                wait = no.frame.get("retry_after_ms", 0) / 1000
                final = no.frame["code"] not in ("rate_limited", "unavailable")
                say("failed", op=op, outcome="refused", error_code=no.frame["code"], final=final)
                if final:
                    return
            except (Lost, TimeoutError):
                say("failed", op=op, outcome="unknown", error_code="no_answer")
            else:
                say("accepted", op=op, message_id=ack["message_id"], conversation_seq=ack["seq"])
                return
            wait += random.uniform(0.05, min(2.0, 0.1 * 2**attempt))
            say("retry", op=op, delay_ms=round(wait * 1000))
            await asyncio.sleep(wait)

    async def catch_up(self):
        """Fetch what came while nobody listened; True when the end was reached."""
        async with self.syncing:
            try:
                while True:
                    page = await self.wire.ask("sync", **({"cursor": self.cursor} if self.cursor else {}))
                    self.cursor = page["cursor"]
                    for item in page["items"]:
                        self.received(item, "sync")
                    if not page["more"]:
                        return True
            except (Lost, Refused, TimeoutError):
                return False

    async def settle(self, number):
        """Answer when nothing is left to send or to fetch."""
        while True:
            await self.up.wait()
            if not self.outbox and await self.catch_up():
                say("synced", id=number)
                return
            await asyncio.sleep(0.1)

    def heard(self, frame):
        """Something that the service says on its own."""
        if frame["type"] == "message":
            self.received(frame, "live")
        elif frame["type"] == "receipt":
            say("shows", message_id=frame["message_id"], state=frame["state"], by=frame["by"])

    def received(self, item, via):
        """Show a message, and let its sender know."""
        fields = ("message_id", "client_message_id", "conversation_id", "sender", "body", "server_time_ms")
        say("received", via=via, conversation_seq=item["seq"], **{name: item[name] for name in fields})
        if item["sender"] != self.me["user"] and item["message_id"] not in self.marked:
            self.marked.add(item["message_id"])
            self.spawn(self.mark(item["message_id"]))

    async def mark(self, message_id):
        """Send the receipt that becomes the sender's second check mark."""
        while True:
            await self.up.wait()
            try:
                await self.wire.ask("receipt", message_id=message_id, state="delivered")
            except (Lost, Refused, TimeoutError):
                await asyncio.sleep(0.5)
            else:
                return


async def main():
    """Do what the lines say, until one says stop or there are no more."""
    lines = asyncio.StreamReader(limit=1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    client = Client()
    while text := await lines.readline():
        line = json.loads(text)
        if line["do"] == "stop":
            return
        await client.do(line)


if __name__ == "__main__":
    asyncio.run(main())
