"""The simulator as a process, and its protocol spoken by hand."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from websockets.sync.client import connect

from harness.drivers.tencent.usersig import Key, make
from harness.testing.reference_chat import free_port

PATIENCE_S = 20.0
KEY = Key(1400000001, "a-secret")
ADMIN = "administrator"
Json = dict[str, Any]


class Phone:
    """A device at the gateway."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def ask(self, **fields: Any) -> Json:
        """Send a frame and return the next one."""
        self._socket.send(json.dumps({"ref": "1", **fields}))
        return self.next()

    def next(self) -> Json:
        """Return the next frame."""
        frame: Json = json.loads(self._socket.recv(PATIENCE_S))
        return frame

    def leave(self) -> None:
        """Say goodbye."""
        self._socket.close()


class Simulator:
    """One process on ports of its own; killed and started again on the same data."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.port, self.control_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE_S)
        self.env = {
            "DB": f"sqlite:{folder}/tencent.db",
            "PORT": str(self.port),
            "CONTROL_PORT": str(self.control_port),
            "CONTROL_TOKEN": "let-me-in",
            "SDKAPPID": str(KEY.sdkappid),
            "SECRET_KEY": KEY.secret,
            **env,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._connections = ExitStack()

    def start(self) -> Self:
        """Start the process and wait until it is healthy."""
        with (self.folder / "simulator.log").open("ab") as log:
            command = [sys.executable, "-P", "-W", "error", "-m", "harness.tencent_simulator"]
            self._process = subprocess.Popen(command, env=os.environ | self.env, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_S
        while not self._healthy():
            assert self._process.poll() is None, self.log_text()[-400:]
            assert time.monotonic() < end, "the simulator did not start"
            time.sleep(0.02)
        return self

    def _healthy(self) -> bool:
        try:
            return self.http.get(f"{self.url}/healthz").status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        """Let go of everything."""
        self._connections.close()
        self.http.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def log_text(self) -> str:
        """Everything that the process has written."""
        return (self.folder / "simulator.log").read_text()

    def sig(self, user: str = ADMIN, *, ago_s: float = 0, life_s: int = 3600) -> str:
        """A UserSig made some seconds ago."""
        return make(user, KEY, time_s=int(time.time() - ago_s), expire_s=life_s)

    def call(self, command: str, body: Any, user: str = ADMIN, **query: str) -> Json:
        """Call a command of REST v4; parameters of the URL may be replaced, or with an empty text left out."""
        known = {"sdkappid": str(KEY.sdkappid), "identifier": user, "random": "7", "contenttype": "json"}
        known |= {"usersig": self.sig(user), **query}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        params = {name: value for name, value in known.items() if value}
        answer = self.http.post(f"{self.url}/v4/{command}", params=params, content=content)
        assert answer.status_code == httpx2.codes.OK, "REST v4 answers 200 whatever has happened"
        told: Json = answer.json()
        assert told["ActionStatus"] == ("FAIL" if told["ErrorCode"] else "OK")
        return told

    def people(self, *names: str) -> None:
        """Make accounts."""
        for name in names:
            assert self.call("im_open_login_svc/account_import", {"UserID": name})["ErrorCode"] == 0

    def send(self, text: str = "hi", **changes: Any) -> Json:
        """Have alice write to bob."""
        body = {
            "From_Account": "alice",
            "To_Account": "bob",
            "MsgRandom": secrets.randbits(32),
            "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
        }
        return self.call("openim/sendmsg", {name: value for name, value in (body | changes).items() if value != ""})

    def history(self, one: str = "alice", other: str = "bob", **changes: Any) -> Json:
        """A page of two people's history."""
        body = {"Operator_Account": one, "Peer_Account": other, "MaxCnt": 100, "MinTime": 0, "MaxTime": 0xFFFFFFFF}
        return self.call("openim/admin_getroammsg", body | changes)

    def phone(self, user: str, device: str = "phone", usersig: str | None = None) -> Phone:
        """Log a device in at the gateway."""
        phone, answer = self.knock(user, device, usersig)
        assert answer == {"type": "done", "ref": "1"}
        return phone

    def knock(self, user: str, device: str = "phone", usersig: str | None = None) -> tuple[Phone, Json]:
        """Try to log a device in, and return what is answered."""
        address = self.url.replace("http", "ws", 1) + "/sdk/v1/ws"
        phone = Phone(self._connections.enter_context(connect(address, compression=None, proxy=None)))
        login = {"user": user, "device": device, "usersig": usersig or self.sig(user), "platform": "ios"}
        return phone, phone.ask(type="login", sdkappid=KEY.sdkappid, **login)

    def control(self, method: str, path: str, body: Json | None = None) -> Json:
        """Make a request to the control port."""
        headers = {"Authorization": "Bearer let-me-in"}
        url = f"http://127.0.0.1:{self.control_port}/control/{path}"
        told: Json = self.http.request(method, url, json=body, headers=headers).raise_for_status().json()
        return told


Starting = Callable[..., Simulator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starting]:
    """Starts simulators, with variables of the environment; with alice and bob in them."""
    with ExitStack() as all_of_them:

        def started(**env: str) -> Simulator:
            simulator = Simulator(tmp_path, **env)
            all_of_them.callback(simulator.stop)
            simulator.start()
            simulator.people("alice", "bob")
            return simulator

        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for all tests of a file that leave it as it is."""
    simulator = Simulator(tmp_path_factory.mktemp("tencent"), REST_RATE="10000").start()
    simulator.people("alice", "bob")
    yield simulator
    simulator.stop()
