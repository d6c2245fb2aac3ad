"""The backend as a process: settings, restarts on the same data, crashes, orderly stops, its log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from harness.reference.settings import Settings, WrongSettings
from harness.testing.reference_chat import ReferenceChat, WireDevice, free_port

Start = Callable[..., ReferenceChat]

GOOD = {"DB": "sqlite:/tmp/chat.db", "PORT": "8080"}


def acks_until_cut(device: WireDevice) -> list[str]:
    """Read acknowledgements to the end of the connection and return the messages' own ids."""
    acked: list[str] = []
    try:
        while True:
            frame = json.loads(device.socket.recv(timeout=10))
            if frame["type"] == "ack":
                acked.append(frame["client_message_id"])
    except ConnectionClosed:
        return acked


def run_to_its_end(**env: str) -> subprocess.CompletedProcess[str]:
    """Start a chat that cannot start, and return how it ended."""
    command = [sys.executable, "-m", "harness.reference.chat"]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=10, check=False)


def test_a_restart_goes_on_with_the_same_data(start: Start) -> None:
    """Accounts, tokens, messages and sequence numbers are those of before an orderly restart."""
    chat = start()
    token = chat.login("alice")["token"]
    chat.login("bob")
    chat.connect(token).say("bob", "before")
    chat.restart()
    device = chat.connect(token)
    assert device.say("bob", "after")["seq"] == 2
    assert [item["body"] for item in device.feed()] == ["before", "after"]


def test_a_repeated_send_is_known_after_a_crash(start: Start) -> None:
    """De-duplication survives ``kill -9``: the same id and sequence number, and nothing new in the archive."""
    chat = start()
    chat.login("bob")
    first = chat.device("alice").say("bob", "once", "same")
    chat.restart(signal.SIGKILL)
    again = chat.device("alice").say("bob", "once", "same")
    assert {**again, "ref": first["ref"]} == first
    assert len(chat.archive("bob")["items"]) == 1


@pytest.mark.slow
def test_kill_nine_in_mid_storm_loses_no_acknowledged_message(start: Start) -> None:
    """Whatever was acknowledged before each of three kills is stored once, and sequence numbers have no gap."""
    chat = start()
    chat.login("bob")
    sent: list[str] = []
    for kill_after in (1, 40, 150):
        device = chat.device("alice")
        storm = [f"{kill_after}-{number}" for number in range(300)]
        for client_message_id in storm:
            device.put("send", to="bob", body=client_message_id, client_message_id=client_message_id)
        acked = [json.loads(device.socket.recv(timeout=10))["client_message_id"] for _ in range(kill_after)]
        chat.end(signal.SIGKILL)
        acked += acks_until_cut(device)
        sent += storm
        chat.start()
        stored = [item["client_message_id"] for item in chat.device("bob").feed(limit=500)]
        assert set(acked) <= set(stored)
        repeated = chat.device("alice")
        refs = [repeated.put("send", to="bob", body=name, client_message_id=name) for name in storm]
        assert {repeated.answer(ref)["type"] for ref in refs} == {"ack"}
    items = chat.device("bob").feed(limit=500)
    assert sorted(item["client_message_id"] for item in items) == sorted(sent)
    assert [item["seq"] for item in items] == list(range(1, len(sent) + 1))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(start: Start, how: signal.Signals) -> None:
    """A signal closes sessions with 1012 and the process exits with 0; each send was stored or not answered."""
    chat = start()
    chat.login("bob")
    device = chat.device("alice")
    for number in range(200):
        device.put("send", to="bob", body="x", client_message_id=f"{number}")
    assert chat.end(how) == 0
    acked = acks_until_cut(device)
    assert device.socket.close_code == 1012
    chat.start()
    assert set(acked) <= {item["client_message_id"] for item in chat.device("bob").feed(limit=500)}


def test_the_control_port_stops_it_in_order(start: Start) -> None:
    """A stop by the control port is answered and ends the process with 0."""
    chat = start()
    headers = {"Authorization": f"Bearer {chat.control_token}"}
    assert chat.http.post(f"{chat.control_url}/stop", headers=headers).status_code == 202
    assert chat.wait() == 0


@pytest.mark.slow
def test_clients_that_do_not_answer_do_not_hold_up_the_stop(start: Start) -> None:
    """Connections whose peers neither read nor answer are given up, and the process still exits with 0."""
    chat = start()
    deaf = socket.create_connection(("127.0.0.1", chat.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    chat.connect(chat.login("bob")["token"], sock=deaf)
    sender = chat.device("alice")
    for number in range(560):
        assert sender.say("bob", "x" * 16_000, f"{number}")["type"] == "ack"
    began = time.monotonic()
    assert chat.end() == 0
    assert time.monotonic() - began < 5


def test_the_log_tells_ids_and_neither_text_nor_secret(start: Start) -> None:
    """Each step of a message is one JSON line with its id; texts, passwords and tokens are nowhere."""
    chat = start()
    login = chat.login("alice", password="the-password")
    chat.login("bob")
    device = chat.connect(login["token"])
    ack = device.say("bob", "the-text")
    device.socket.send('{"type": "send", "ref": "r", "body": "the-text", "to": "bob"')
    assert device.answer(None)["code"] == "bad_request"
    chat.http.get(f"{chat.url}/v1/archive", headers={"Authorization": "Bearer the-wrong-token"})
    renewed = chat.refresh(login["refresh_token"]).json()
    chat.refresh("the-wrong-token")
    chat.ask("PUT", "push-token", login["token"], {"token": "the-push-token"})
    chat.post(login["token"], to="nobody", body="the-text", client_message_id="refused")
    text = chat.log_text()
    secrets = [issued[name] for issued in (login, renewed) for name in ("token", "refresh_token")]
    for secret in ("the-text", "the-password", "the-wrong-token", "the-push-token", chat.control_token, *secrets):
        assert secret not in text
    of_it = [line["event"] for line in chat.log() if line.get("message_id") == ack["message_id"]]
    assert sorted(of_it) == ["ack_sent", "fanout_done", "message_persisted"]
    assert of_it[0] == "message_persisted"
    (refused,) = [line for line in chat.log() if line.get("client_message_id") == "refused"]
    assert (refused["event"], refused["error_code"]) == ("request_failed", "unknown_recipient")


@pytest.mark.parametrize(
    "wrong",
    [
        {"DB": ""},
        {"DB": "postgres://db"},
        {"DB": "sqlite:"},
        {"DB": "postgresql:chat"},
        {"CACHE": "memcached://cache"},
        {"CACHE": "redis://cache"},
        {"PORT": ""},
        {"PORT": "http"},
        {"PORT": "0"},
        {"PORT": "70000"},
        {"CONTROL_PORT": "8081"},
        {"CONTROL_PORT": "x", "CONTROL_TOKEN": "t"},
        {"TOKEN_TTL_S": "-1"},
        {"MUTANT": "no_such_defect"},
        {"PUSH": "provider:80"},
        {"RATE_PER_USER": "0"},
        {"RATE_OVERALL": "nan"},
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    """What is missing or not as documented is told with the variable's name."""
    variable = "CONTROL_TOKEN" if wrong == {"CONTROL_PORT": "8081"} else next(iter(wrong))
    with pytest.raises(WrongSettings, match=f"^{variable} is"):
        Settings.of(GOOD | wrong)


def test_a_password_in_a_wrong_setting_is_not_told() -> None:
    """Of an address that is not understood only its scheme is shown."""
    with pytest.raises(WrongSettings) as wrong:
        Settings.of(GOOD | {"DB": "mysql://chat:the-password@db/chat"})
    assert "the-password" not in str(wrong.value)


def test_a_wrong_setting_ends_the_process_with_one_sentence() -> None:
    """An unknown mutant is exit code 2 and one line that names the known ones."""
    ended = run_to_its_end(**GOOD, MUTANT="no_such_defect")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "ack_before_store" in ended.stderr


def test_a_busy_port_ends_the_process_with_one_sentence(tmp_path: Path) -> None:
    """A port that is taken is exit code 3 and one line that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run_to_its_end(DB=f"sqlite:{tmp_path}/chat.db", PORT=port)
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)
    assert port in ended.stderr


@pytest.mark.parametrize("name", ["missing/chat.db", "not-a-database", "folder"])
def test_an_unusable_database_ends_the_process_with_one_sentence(tmp_path: Path, name: str) -> None:
    """A database that cannot be opened or is none is exit code 3 and one line that names it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "not-a-database").write_text("a letter\n" * 200)
    ended = run_to_its_end(DB=f"sqlite:{tmp_path}/{name}", PORT=str(free_port()))
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)
    assert name in ended.stderr


def test_the_backend_imports_nothing_of_the_harness() -> None:
    """The service and its mutants load only modules of their own package."""
    program = (
        "import sys, harness.reference.chat; from harness.reference.mutants import *; "
        "from harness.reference.mutants import parts_of; [parts_of(name) for name in MUTANTS]; "
        "print([m for m in sys.modules if m.startswith('harness.') and not m.startswith('harness.reference')])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert shown.stdout.strip() == "[]"


def test_listing_the_mutants_is_cheap() -> None:
    """The registry of mutants loads neither the web server nor SQLite."""
    heavy = "{'starlette', 'uvicorn', 'sqlite3', 'asyncio'}"
    program = f"import sys, harness.reference.mutants; print({heavy} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert shown.stdout.strip() == "set()"
