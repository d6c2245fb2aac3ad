"""slixmpp as the client under test: JSON lines on its standard streams, an XMPP server on the other side.

What is judged is the library: its streams, their resumption, what it repeats. Beside it stands only what every app
adds: connect again, one message after the other, write a message anew where a stream could not be resumed, and read the
archive after that. What the lines mean is said in docs/bring-your-own.md. Argument: the server's domain.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

PING_EVERY_S, PING_WITHIN_S = 2, 1.5
AGAIN_S = 0.2
ASK_AFTER_S = 0.05
"""The library's own request for an acknowledgement leaves just before the stanza that it is about."""
PLUGINS = ("xep_0198", "xep_0199", "xep_0203", "xep_0313", "xep_0359")


def say(what, **fields):
    """Tell the harness something; one line, written at once."""
    sys.stdout.write(json.dumps({"say": what, **fields}) + "\n")
    sys.stdout.flush()


class Client(slixmpp.ClientXMPP):
    """An app around the library."""

    def __init__(self, me, domain):
        self.me, self.place = me, urlsplit(me["chat"])
        settings = {
            "feature_mechanisms": {"unencrypted_plain": True, "unencrypted_scram": True},
            "xep_0198": {"window": 1},
            "xep_0199": {"keepalive": True, "interval": PING_EVERY_S, "timeout": PING_WITHIN_S},
        }
        jid = f"{me['user']}@{domain}/{me['device'].partition('/')[2]}"
        super().__init__(jid, me["password"], plugin_config=settings)
        self.enable_direct_tls, self.enable_starttls, self.enable_plaintext = False, False, True
        for name in PLUGINS:
            self.register_plugin(name)
        self.outbox, self.wanted, self.seen, self.tasks = [], [], set(), set()
        self.wants_online, self.live, self.last = True, False, None
        self.leaving = None
        for event, handler in (
            ("session_start", self.started),
            ("session_resumed", self.resumed),
            ("disconnected", self.lost),
            ("connection_failed", self.refused),
            ("stanza_acked", self.acked),
            ("message", self.came),
            ("message_error", self.bounced),
        ):
            self.add_event_handler(event, handler)

    def dial(self):
        """Connect where the harness says, whatever the domain's records say."""
        self.connect(self.place.hostname, self.place.port)

    def spawn(self, work):
        """Run something beside, and keep it from being forgotten."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def started(self, _):
        """A new stream: say who is there, fetch what was missed, and write again what nobody acknowledged."""
        self.send_presence()
        await self.catch_up()
        self.connected()
        if self.leaving is not None:
            self.put(self.leaving)
        self.next()

    def resumed(self, _):
        """The old stream goes on, and the library has repeated by itself what was not acknowledged."""
        if self.leaving is not None:
            say("sending", op=self.leaving["op"])
            self.loop.call_later(ASK_AFTER_S, self.ask)
        self.connected()
        self.next()

    def connected(self):
        """The live connection is there."""
        self.live = True
        say("connected")
        for number in self.wanted:
            self.spawn(self.settle(number))

    def lost(self, _):
        """The connection has ended: what is under way is of unknown fate."""
        if self.live:
            self.live = False
            say("disconnected", reason="connection_lost", clean=not self.wants_online)
            if self.leaving is not None:
                say("failed", op=self.leaving["op"], outcome="unknown", error_code="connection_lost")
        if self.wants_online:
            self.loop.call_later(AGAIN_S, self.dial)

    def refused(self, _):
        """Nobody answered: the library tries again, each time after a longer while."""
        say("disconnected", reason="connect_failed")

    def next(self):
        """Write the next message when the one before is acknowledged."""
        if self.live and self.leaving is None and self.outbox:
            self.leaving = self.outbox.pop(0)
            self.put(self.leaving)

    def put(self, message):
        """Have the library send a message; its stanza and its origin have the message's name."""
        stanza = self.make_message(f"{message['to']}@{self.boundjid.domain}", message["body"], mtype="chat")
        stanza["id"] = stanza["origin_id"]["id"] = message["op"]
        say("sending", op=message["op"])
        stanza.send()
        self.loop.call_later(ASK_AFTER_S, self.ask)

    def ask(self):
        """Ask what the server has got."""
        if self.live:
            self["xep_0198"].request_ack()

    def acked(self, stanza):
        """The server has it."""
        if self.leaving is not None and isinstance(stanza, slixmpp.Message) and stanza["id"] == self.leaving["op"]:
            say("accepted", op=self.leaving["op"], message_id=self.leaving["op"])
            self.leaving = None
            self.next()

    def bounced(self, stanza):
        """The server has taken it and could not deliver it."""
        say("disconnected", reason=f"bounced: {stanza['error']['condition']}")

    def came(self, stanza):
        """Show a message; what the server had kept carries a delay."""
        if stanza["type"] != "error" and stanza["body"]:
            self.show(stanza, "sync" if stanza["delay"].xml.get("stamp") else "live")

    def show(self, stanza, via):
        """Tell of a message, whether or not it came before."""
        one, other = stanza["from"].local, stanza["to"].local
        say(
            "received",
            via=via,
            message_id=stanza["id"],
            client_message_id=stanza["origin_id"]["id"] or stanza["id"],
            conversation_id="+".join(sorted((one, other))),
            sender=one,
            body=stanza["body"],
        )

    async def catch_up(self):
        """Read the archive from where it was left; what was seen live comes once more, as it does in every archive."""
        rsm = {"max": 50, **({"after": self.last} if self.last else {})}
        try:
            pages = self["xep_0313"].retrieve(iterator=True, reverse=False, rsm=rsm)
            async for page in pages:
                for entry in page["mam"]["results"]:
                    stanza = entry["mam_result"]["forwarded"]["stanza"]
                    self.last = entry["mam_result"]["id"]
                    if stanza["body"]:
                        self.show(stanza, "sync")
        except (IqError, IqTimeout):
            return False
        return True

    async def settle(self, number):
        """Answer when nothing is left to send or to fetch."""
        while self.live and number in self.wanted:
            if self.leaving is None and not self.outbox and await self.catch_up() and number in self.wanted:
                self.wanted.remove(number)
                say("synced", id=number)
                return
            await asyncio.sleep(0.1)

    def do(self, line):
        """Carry out what the harness tells."""
        what = line["do"]
        if what == "send":
            self.outbox.append(line)
            self.next()
        elif what == "sync":
            self.wanted.append(line["id"])
            self.spawn(self.settle(line["id"]))
        elif what == "ping":
            say("pong", id=line["id"])
        elif what == "online":
            self.wants_online = True
            self.dial()
        elif what == "offline":
            self.wants_online = False
            self.disconnect()


async def main():
    """Do what the lines say, until one says stop or there are no more."""
    lines = asyncio.StreamReader(limit=1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    client = Client(json.loads(await lines.readline()), sys.argv[1])
    client.dial()
    while text := await lines.readline():
        line = json.loads(text)
        if line["do"] == "stop":
            return
        client.do(line)


if __name__ == "__main__":
    asyncio.run(main())
