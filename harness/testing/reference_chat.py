"""The reference backend as a process under test, and its protocol spoken by hand, for tests that need a real chat."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx2
from websockets.sync.client import ClientConnection, connect

PATIENCE_S = 10.0
BELOW_OUTGOING = range(20_000, 32_000)
"""Linux gives outgoing connections ports from 32768 on."""
MAX_FRAME_BYTES = 8 * 1024 * 1024

Json = dict[str, Any]


class ReferenceChat:
    """One chat process on ports of its own; killed, stopped and started again on the same data."""

    def __init__(self, folder: Path, *, mutant: str = "", **env: str) -> None:
        self.folder = folder
        self.port, self.control_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.control_url = f"http://127.0.0.1:{self.control_port}/control"
        self.control_token = secrets.token_hex(8)
        self.env = {
            "DB": f"sqlite:{folder}/chat.db",
            "PORT": str(self.port),
            "CONTROL_PORT": str(self.control_port),
            "CONTROL_TOKEN": self.control_token,
            "MUTANT": mutant,
            **env,
        }
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE_S)
        self._process: subprocess.Popen[bytes] | None = None
        self._connections = ExitStack()

    def start(self) -> Self:
        """Start the process and wait until it is healthy; raises ``RuntimeError`` when it ends instead."""
        with (self.folder / "chat.log").open("ab") as log:
            command = [sys.executable, "-W", "error", "-m", "harness.reference.chat"]
            self._process = subprocess.Popen(command, env=os.environ | self.env, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_S
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the chat did not start: {self.log_text()[-400:]}")
            time.sleep(0.01)
        return self

    def _healthy(self) -> bool:
        try:
            return self.http.get(f"{self.url}/healthz").status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code; a process that has ended already is only waited for."""
        if self._process is None:
            return 0
        self._process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        """Wait for the process to end and return its exit code."""
        return 0 if self._process is None else self._process.wait(PATIENCE_S)

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and start it again on the same data."""
        self.end(how)
        self.start()

    def closings(self, user: str, at_least: int = 1) -> list[Json]:
        """Wait until the service has noticed the end of so many connections of a person, and return its log's lines."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            lines = [line for line in self.log() if line["event"] == "connection_closed" and line["user"] == user]
            if len(lines) >= at_least:
                return lines
            time.sleep(0.02)
        raise AssertionError(f"the service noticed no end of {at_least} connections of {user}")

    def log_text(self) -> str:
        """Everything that the process has written."""
        return (self.folder / "chat.log").read_text()

    def log(self) -> list[Json]:
        """Its log lines."""
        complete = self.log_text().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    def login(self, user: str, device: str = "phone", password: str = "secret-word") -> Json:  # noqa: S107 - a made-up account
        """Make the account where it is missing, and return a login's answer."""
        self.http.post(f"{self.url}/v1/register", json={"user": user, "password": password})
        answer = self.http.post(f"{self.url}/v1/login", json={"user": user, "password": password, "device": device})
        result: Json = answer.raise_for_status().json()
        return result

    def device(self, user: str, device: str = "phone", *, through: str | None = None) -> WireDevice:
        """Log in and connect a device, directly or to the address of a proxy."""
        return self.connect(self.login(user, device)["token"], through=through)

    def connect(self, token: str, *, through: str | None = None, sock: socket.socket | None = None) -> WireDevice:
        """Open a live connection with a token, over a socket of the caller's if one is given."""
        opening = connect(
            (through or self.url).replace("http", "ws", 1) + "/v1/ws",
            sock=sock,
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            proxy=None,
            max_size=MAX_FRAME_BYTES,
            ping_interval=None,
            close_timeout=0.1,
        )
        return WireDevice(self._connections.enter_context(opening))

    def ask(self, method: str, path: str, token: str, body: Json | None = None) -> httpx2.Response:
        """Make a request of a person to ``/v1/PATH``."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.request(method, f"{self.url}/v1/{path}", json=body, headers=headers)

    def post(self, token: str, **fields: Any) -> httpx2.Response:
        """Send a message over HTTP."""
        draft = {"client_message_id": secrets.token_hex(8), "body": "over HTTP", **fields}
        return self.ask("POST", "messages", token, draft)

    def refresh(self, refresh_token: str) -> httpx2.Response:
        """Ask for new tokens."""
        return self.http.post(f"{self.url}/v1/refresh", json={"refresh_token": refresh_token})

    def control(self, method: str, path: str, body: Json | None = None) -> Json:
        """Make a request to the control port and return its answer."""
        headers = {"Authorization": f"Bearer {self.control_token}"}
        answer = self.http.request(method, f"{self.control_url}/{path}", json=body, headers=headers)
        result: Json = answer.raise_for_status().json()
        return result

    def close(self) -> None:
        """Kill the process and let go of every connection."""
        self.end(signal.SIGKILL)
        self._connections.close()
        self.http.close()

    def archive(self, user: str, **query: str | int) -> Json:
        """Read a page of a person's archive."""
        headers = {"Authorization": f"Bearer {self.login(user, 'oracle')['token']}"}
        answer = self.http.get(f"{self.url}/v1/archive", params=query, headers=headers)
        result: Json = answer.raise_for_status().json()
        return result


class WireDevice:
    """A device that speaks the protocol frame by frame; what it did not ask for waits in ``pushed``."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.pushed: deque[Json] = deque()
        self._refs = count(1)

    def put(self, kind: str, **fields: Any) -> str:
        """Write a request without waiting and return its ``ref``."""
        ref = str(next(self._refs))
        self.socket.send(json.dumps({"type": kind, "ref": ref, **fields}, ensure_ascii=False))
        return ref

    def ask(self, kind: str, **fields: Any) -> Json:
        """Write a request and return its answer."""
        return self.answer(self.put(kind, **fields))

    def answer(self, ref: str | None) -> Json:
        """Read up to the answer to ``ref``."""
        while True:
            frame = self._read()
            if "ref" in frame:
                if frame["ref"] != ref:
                    raise AssertionError(f"answer to {frame['ref']} came where {ref}'s was due")
                return frame
            self.pushed.append(frame)

    def say(self, to: str, body: str, client_message_id: str | None = None) -> Json:
        """Send a message and return its acknowledgement."""
        return self.ask("send", to=to, body=body, client_message_id=client_message_id or secrets.token_hex(8))

    def next(self) -> Json:
        """Return the next frame that the service pushed."""
        while not self.pushed:
            self.pushed.append(self._read())
        return self.pushed.popleft()

    def waiting(self) -> list[Json]:
        """Return what was pushed up to now: an answer comes after whatever was queued before its request."""
        self.ask("sync", limit=1)
        pushed = list(self.pushed)
        self.pushed.clear()
        return pushed

    def feed(self, cursor: str | None = None, limit: int = 100) -> list[Json]:
        """Follow a cursor to its end and return the items."""
        items: list[Json] = []
        while True:
            page = self.ask("sync", limit=limit, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["cursor"]
            if not page["more"]:
                return items

    def vanish(self) -> None:
        """End the TCP connection without a word."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        self.socket.socket.close()

    def _read(self) -> Json:
        frame: Json = json.loads(self.socket.recv(timeout=PATIENCE_S))
        return frame


@contextmanager
def reference_chat(folder: Path, *, mutant: str = "", **env: str) -> Iterator[ReferenceChat]:
    """Run a chat for the length of a block."""
    chat = ReferenceChat(folder, mutant=mutant, **env)
    try:
        yield chat.start()
    finally:
        chat.close()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing uses right now, and that no outgoing connection will take."""
    for port in random.sample(BELOW_OUTGOING, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no free port was found")
