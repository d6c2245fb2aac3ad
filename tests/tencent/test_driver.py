"""The driver against the simulator's process: by the gateway, and by polling as against the real service."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import EnvironmentFault
from harness.drivers.api import (
    Accepted,
    Account,
    Closed,
    Credential,
    Delivered,
    Device,
    Endpoint,
    IncompleteRead,
    Outgoing,
    Page,
    Person,
    Receipt,
    Refreshed,
    Refused,
    Session,
    Stored,
    TokenRejected,
    Unknown,
)
from harness.drivers.tencent.driver import TencentDriver, make

pytestmark = pytest.mark.slow

PEOPLE = [Person(name, name.title(), (Device(f"{name}/phone", name, "ios", "1.0"),)) for name in ("carol", "dave")]
CAROL, DAVE = (person.devices[0] for person in PEOPLE)
ROOM = "c2c:carol:dave"
OPTIONS = {"sdkappid": "1400000001", "secret_key": "a-secret"}
POLLING = {**OPTIONS, "live": "poll", "poll": "100ms"}
PATIENCE_S = 60


def says(number: int, text: str = "hello") -> Outgoing:
    """A message of carol's."""
    return Outgoing(f"c{number}", ROOM, "dave", f"{text} {number}", 0)


@asynccontextmanager
async def playing(driver: TencentDriver, service: Any) -> AsyncIterator[tuple[Session, Session, Endpoint]]:
    """Carol's and dave's phones, connected."""
    at = Endpoint(service.url, service.url)
    async with asyncio.timeout(PATIENCE_S):
        accounts = await driver.provision(PEOPLE, at)
        await driver.introduce([("carol", "dave")])
        sessions = []
        for device in (CAROL, DAVE):
            session = await driver.connect(accounts[device.person], device, at, clock=SystemClock())
            assert not isinstance(session, Refused | Unknown)
            sessions.append(session)
        try:
            yield sessions[0], sessions[1], at
        finally:
            for session in sessions:
                await session.close()


async def read(driver: TencentDriver, user: str, at: Endpoint) -> list[Stored]:
    """Somebody's archive."""
    return [stored async for stored in driver.read_all(Account(user, user, ""), at)]


@pytest.mark.parametrize("options", [OPTIONS, POLLING], ids=["gateway", "poll"])
def test_a_message_goes_its_way(start: Callable[..., Any], options: dict[str, str]) -> None:
    """Sent, heard, synced, sent again without being doubled, and read in the archive: the same id everywhere."""
    service = start(ADMINISTRATORS="*" if "live" not in options else "administrator")

    async def play() -> None:
        driver = make(options)
        async with playing(driver, service) as (carol, dave, at):
            sent = [await carol.send(says(number), attempt=1) for number in range(3)]
            assert all(isinstance(one, Accepted) for one in sent)
            assert await carol.send(says(1), attempt=2) == sent[1]
            heard = [item async for item in _first(dave, 3)]
            page = await dave.sync(None)
            stored = await read(driver, "dave", at)
            assert isinstance(page, Page)
            assert not page.more
            for found in (heard, page.items, stored):
                assert [(one.client_message_id, one.body) for one in found] == [
                    (f"c{n}", f"hello {n}") for n in range(3)
                ]
                assert [one.message_id for one in found] == [
                    one.message_id for one in sent if isinstance(one, Accepted)
                ]
            assert [one.conversation_seq for one in stored] == [1, 2, 3]
            again = await dave.sync(page.cursor)
            assert isinstance(again, Page)
            assert again.items == ()

    asyncio.run(play())


async def _first(session: Session, number: int) -> AsyncIterator[Delivered]:
    async for item in session.incoming():
        assert isinstance(item, Delivered)
        yield item
        number -= 1
        if not number:
            return


def test_the_sender_is_told_who_has_read(start: Callable[..., Any]) -> None:
    """Of a delivery nobody is told."""
    service = start(ADMINISTRATORS="*")

    async def play() -> None:
        async with playing(make(OPTIONS), service) as (carol, dave, _):
            sent = await carol.send(says(1), attempt=1)
            assert isinstance(sent, Accepted)
            assert await dave.mark(sent.message_id, "delivered") is None
            assert await dave.mark(sent.message_id, "read") is None
            told = [await anext(carol.incoming()) for _ in range(2)]
            assert told[1] == Receipt(sent.message_id, "read", "dave")
            assert isinstance(await dave.mark("nonsense", "read"), Refused)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("how", "error", "renewed"), [("expire", "token_expired", True), ("revoke", "token_revoked", False)]
)
def test_a_usersig_ends_in_mid_session(start: Callable[..., Any], how: str, error: str, renewed: bool) -> None:
    """The device and its sends are refused; an expired one is renewed, an invalidated one needs a log-in."""
    service = start(ADMINISTRATORS="*")

    async def play() -> None:
        driver = make(OPTIONS)
        async with playing(driver, service) as (carol, _, at):
            await asyncio.to_thread(service.control, "POST", f"tokens/{how}", {"user": "carol"})
            assert await anext(carol.incoming()) == TokenRejected(error)
            refused = await carol.send(says(1), attempt=1)
            assert isinstance(refused, Refused)
            assert (refused.error_code, refused.http_status) == (error, 401)
            if renewed:
                assert isinstance(await carol.refresh(), Refreshed)
                assert isinstance(await carol.send(says(1), attempt=2), Accepted)
            else:
                assert await carol.refresh() == Refused("token_revoked", http_status=401)
                fresh = await driver.login(Account("carol", "carol", ""), CAROL, at)
                assert isinstance(fresh, Credential)
                again = await driver.connect(
                    Account("carol", "carol", ""), CAROL, at, clock=SystemClock(), credential=fresh
                )
                assert not isinstance(again, Refused | Unknown)
                await again.close()

    asyncio.run(play())


def test_a_send_to_a_service_that_is_gone(start: Callable[..., Any]) -> None:
    """Nothing left the device; the archive cannot be read, and says so; a new process has what was acknowledged."""
    service = start(ADMINISTRATORS="*")

    async def play() -> None:
        driver = make(OPTIONS)
        async with playing(driver, service) as (carol, dave, at):
            assert isinstance(await carol.send(says(1), attempt=1), Accepted)
            await anext(dave.incoming())
            await asyncio.to_thread(service.end, signal.SIGKILL)
            closed = await anext(dave.incoming())
            assert isinstance(closed, Closed)
            assert not closed.clean
            assert await dave.sync(None) == Refused("not_connected")
            lost = [await carol.send(says(number), attempt=1) for number in (2, 3)]
            assert lost[1] == Refused("connect_failed")
            with pytest.raises(IncompleteRead):
                await read(driver, "carol", at)
            await asyncio.to_thread(service.start)
            assert isinstance(await carol.send(says(3), attempt=2), Accepted)
            assert [one.client_message_id for one in await read(driver, "carol", at)] == ["c1", "c3"]

    asyncio.run(play())


def test_a_poll_finds_what_was_stored_late_under_an_earlier_second(start: Callable[..., Any]) -> None:
    """A message has the second of its first attempt: newer ones may have been read long before it."""
    service = start()

    async def play() -> None:
        async with playing(make(POLLING), service) as (carol, dave, _):
            assert isinstance(await carol.send(says(1), attempt=1), Accepted)
            await anext(dave.incoming())
            page = await dave.sync(None)
            assert isinstance(page, Page)
            late = {"MsgTimeStamp": int(time.time()) - 60, "MsgSeq": 1}
            await asyncio.to_thread(service.send, "late", From_Account="carol", To_Account="dave", **late)
            heard = await anext(dave.incoming())
            assert isinstance(heard, Delivered)
            assert heard.body == "late"
            after = await dave.sync(page.cursor)
            assert isinstance(after, Page)
            assert [item.body for item in after.items] == ["late"]
            assert await dave.register_push("token") == Refused("no_push", http_status=404)

    asyncio.run(play())


class _Service(BaseHTTPRequestHandler):
    hosts: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Say yes to everything, and note for whom it was."""
        self.hosts.append(self.headers["Host"])
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a service with a certificate for ``chat.test``, as a proxy has it."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    wanted = ["-subj", "/CN=chat.test", "-addext", "subjectAltName=DNS:chat.test", "-days", "2"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *wanted]
    subprocess.run(made, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = HTTPServer(("127.0.0.1", 0), _Service)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    monkeypatch.setattr(server, "handle_error", lambda *_: None)  # a client that does not trust us hangs up
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_the_real_service_is_met_by_https_through_a_proxy(https: str) -> None:
    """The address is the proxy's; the host that is asked for and its certificate are the domain's."""
    at = Endpoint(https, https)
    accounts = asyncio.run(make({**POLLING, "domain": "chat.test"}).provision(PEOPLE, at))
    assert (sorted(accounts), set(_Service.hosts)) == (["carol", "dave"], {"chat.test"})

    async def another() -> None:
        with pytest.raises(EnvironmentFault, match="connect_failed"):
            await make({**POLLING, "domain": "another.test"}).provision(PEOPLE[:1], at)
        for _ in range(5):  # a connection that was given up ends in the loop's next turns
            await asyncio.sleep(0)

    asyncio.run(another())


def test_a_wrong_secret_is_told_before_the_run(shared: Any) -> None:
    """With what to look at."""
    driver, at = make({**OPTIONS, "secret_key": "wrong"}), Endpoint(shared.url, shared.url)
    with pytest.raises(EnvironmentFault, match="no account for carol: tencent_70009") as refused:
        asyncio.run(driver.provision(PEOPLE[:1], at))
    assert refused.value.hint == "is the secret key the one of this SDKAppID?"
