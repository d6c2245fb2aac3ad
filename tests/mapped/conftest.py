"""A second chat backend of a quite different shape, and the mapping that describes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

MAPPING = """\
version: 1
name: pigeon

direct_conversation: "${first}+${second}"
account: {user: "${person}@pigeon.test"}
headers: {X-Session: "${token}"}
states: {delivered: 2, read: 3}

message:
  message_id: head.id
  client_message_id: head.nonce?
  sender_id: head.from
  recipient_id: head.to
  body: parts[0].text
  server_time_s: head.at

register:
  http: POST ${auth}/accounts
  form: {mail: "${user}", secret: "${password}"}
  answer: {user_id: account.number}

login:
  http: POST ${auth}/sessions
  form: {mail: "${user}", secret: "${password}"}
  answer: {when: {ok: true}, token: session.key, user_id: session.account.number}

connect:
  url: ${chat}/stream
  query: {session: "${token}", device: "${device_name}"}
  encoding: form
  hello: {frame: {op: hello, seq: "${ref}"}, answer: {when: {op: welcome, seq: "${ref}"}}}
  closes: {"4401": session_over}
  ping: {every: 200ms, within: 2s, frame: {op: beat}, pong: {op: beat-back}}

send:
  http: POST ${chat}/people/${recipient_id}/messages
  json: {nonce: "${client_message_id}", parts: [{kind: text, text: "${body}"}]}
  answer: {when: {ok: true}, message_id: stored.head.id, server_time_s: stored.head.at}

sync:
  http: GET ${chat}/inbox
  query: {after: "${cursor?}"}
  answer: {when: {ok: true}, items: inbox, only: {kind: [letter]}, cursor: next?, more: left}

mark:
  frame: {op: seen, letter: "${message_id}", level: "${state}"}

deliver:
  when: {op: letter}
  message: {message_id: id, client_message_id: nonce, sender_id: from, recipient_id: to, body: text, server_time_s: at}
receipt: {when: {op: seen}, message_id: letter, state: level, by_id: who}
reply: {when: {op: are-you-there}, frame: {op: here}}
ignore: [{op: weather}]

errors:
  code: why.code
  retry_after_s: why.again_in?
  codes: {"70": 429, "71": 404}
"""
"""Form login, HTTP sends, form frames, nested fields, numeric ids, errors in answers with status 200."""

Json = dict[str, Any]


@dataclass
class Pigeon:
    """The backend: people have numbers, letters have numbers, and every answer has status 200."""

    secrets: dict[str, tuple[int, str]] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    letters: list[Json] = field(default_factory=list)
    lofts: list[Json] = field(default_factory=list)
    live: dict[ServerConnection, int] = field(default_factory=dict)
    heard: list[Json] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    full: bool = False
    http: str = ""
    stream: str = ""
    loop: asyncio.AbstractEventLoop | None = None
    numbers: Iterator[int] = field(default_factory=lambda: count(100))

    def account(self, mail: str, secret: str) -> Json:
        """Make an account."""
        number = next(self.numbers)
        self.secrets[mail] = (number, secret)
        return {"ok": True, "account": {"number": number}}

    def session(self, mail: str, secret: str) -> Json:
        """Log in."""
        number, right = self.secrets.get(mail, (0, ""))
        if secret != right or not number:
            return {"ok": False, "why": {"code": 71}}
        key = f"key-{next(self.numbers)}"
        self.sessions[key] = number
        return {"ok": True, "session": {"key": key, "account": {"number": number}}}

    def post(self, sender: int, to: int, said: Json) -> Json:
        """Take a letter, and an advert that is none."""
        if self.full:
            return {"ok": False, "why": {"code": 70, "again_in": 1.5}}
        head = {"id": next(self.numbers), "nonce": said["nonce"], "from": sender, "to": to, "at": 1700000000}
        letter = {"kind": "letter", "head": head, "parts": said["parts"]}
        self.letters += [letter, {"kind": "advert"}]
        self.push(to, {"op": "letter", "text": said["parts"][0]["text"], **head})
        return {"ok": True, "stored": letter}

    def push(self, to: int, frame: Json) -> None:
        """Write a form frame to everybody's live connections of an account."""
        assert self.loop is not None
        for socket, who in list(self.live.items()):
            if who == to:
                asyncio.run_coroutine_threadsafe(socket.send(urlencode(frame)), self.loop).result(5)

    def loft(self, pair: Json) -> Json:
        """Make a place for two."""
        self.lofts.append(pair)
        return {"ok": True, "loft": 7000 + len(self.lofts)}

    def inbox(self, reader: int, after: int) -> Json:
        """Two entries a page."""
        mine = [
            (place, letter)
            for place, letter in enumerate(self.letters, start=1)
            if place > after and reader in (letter.get("head", {}).get("from"), letter.get("head", {}).get("to"), None)
        ]
        page = mine[:2]
        return {
            "ok": True,
            "inbox": [letter for _, letter in page],
            "left": len(mine) - len(page),
            **({"next": page[-1][0]} if page else {}),
        }

    def wait_for(self, frame: Json) -> None:
        """Wait until a client has written that frame."""
        with self.changed:
            assert self.changed.wait_for(lambda: frame in self.heard, timeout=10)

    async def attend(self, socket: ServerConnection) -> None:
        """Serve one live connection."""
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        if query["session"][0] not in self.sessions:
            await socket.close(4401, "who are you")
            return
        self.live[socket] = self.sessions[query["session"][0]]
        async for text in socket:
            frame = {name: values[0] for name, values in parse_qs(str(text)).items()}
            with self.changed:
                self.heard.append(frame)
                self.changed.notify_all()
            if frame["op"] == "hello":
                await socket.send(urlencode({"op": "welcome", "seq": frame["seq"]}))
                await socket.send(urlencode({"op": "weather", "sky": "grey"}))
                await socket.send("op=are-you-there")
            elif frame["op"] == "beat":
                await socket.send("op=beat-back")
        del self.live[socket]


def handler(pigeon: Pigeon) -> type[BaseHTTPRequestHandler]:
    """The HTTP side."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.reply(self.posted)

        def do_GET(self) -> None:
            after = parse_qs(urlsplit(self.path).query).get("after", ["0"])[0]
            self.reply(lambda _: pigeon.inbox(self.who(), int(after)))

        def posted(self, body: bytes) -> Json:
            if self.path in {"/accounts", "/sessions"}:
                assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                act = pigeon.account if self.path == "/accounts" else pigeon.session
                return act(form["mail"], form["secret"])
            if self.path == "/lofts":
                return pigeon.loft({"by": self.who(), **msgspec.json.decode(body)})
            return pigeon.post(self.who(), int(self.path.split("/")[2]), msgspec.json.decode(body))

        def who(self) -> int:
            return pigeon.sessions[self.headers["X-Session"]]

        def reply(self, make: Callable[[bytes], Json]) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            content = msgspec.json.encode(make(body))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


@contextmanager
def pigeon_running() -> Iterator[Pigeon]:
    """Run the backend in threads of its own."""
    pigeon = Pigeon()
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(pigeon))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    pigeon.http = f"http://127.0.0.1:{http.server_port}"
    started, stop = threading.Event(), threading.Event()

    async def live() -> None:
        pigeon.loop = asyncio.get_running_loop()
        server: Server = await serve(pigeon.attend, "127.0.0.1", 0)
        pigeon.stream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await asyncio.to_thread(stop.wait)
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    assert started.wait(10)
    yield pigeon
    stop.set()
    thread.join(10)
    http.shutdown()
    http.server_close()


@pytest.fixture
def pigeon() -> Iterator[Pigeon]:
    """The second backend."""
    with pigeon_running() as running:
        yield running


@pytest.fixture
def mapping(tmp_path: Path) -> Callable[..., Path]:
    """Write the mapping of the second backend, with some texts replaced."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = MAPPING
        for old, new in replacements:
            assert old in text, f"the mapping no longer has {old!r}"
            text = text.replace(old, new)
        path = tmp_path / "pigeon.yaml"
        path.write_text(text)
        return path

    return write
