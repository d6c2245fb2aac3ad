"""The push provider as a process: its answers, its rules, its events, and what it keeps to itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness.core.digests import secret_ref
from harness.providers.control import HttpProviderControl
from harness.providers.control_client import ControlClient
from harness.providers.registry import kinds, provider_kind
from harness.providers.settings import Settings, environment
from harness.providers.tokens import push_token
from harness.testing.reference_chat import free_port

KEY = bytes(32)
BOB = push_token("bob/phone", "0a1b")
EVE = push_token("eve/phone", "0c1d")


class Provider:
    """One running simulator."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(free_port(), free_port(), "let-me-in", "push", "run-1", folder / "events", KEY, 7)
        self.log = folder / "provider.log"
        env = {"PATH": os.environ["PATH"], **environment(self.settings)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *provider_kind("unipush").run], env=env, stdout=log, stderr=log
            )
        self.url = f"http://127.0.0.1:{self.settings.port}"
        control = f"http://127.0.0.1:{self.settings.control_port}"
        self.control = HttpProviderControl(
            provider_kind("unipush"), ControlClient(control, "let-me-in", "the provider")
        )
        self.http = httpx2.Client(trust_env=False, timeout=5)

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + 10
        while True:
            try:
                self.http.get(f"{self.url}/healthz").raise_for_status()
            except httpx2.TransportError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def push(self, token: str = BOB, message: str = "m-1") -> httpx2.Response:
        """Ask it to show something."""
        wanted = {"token": token, "message_id": message, "conversation_id": "d:alice:bob"}
        return self.http.post(f"{self.url}/v1/push", json=wanted)

    def rule(self, name: str, **rule: object) -> None:
        """Put a rule in force."""
        url = f"http://127.0.0.1:{self.settings.control_port}/control/rules/{name}"
        self.http.put(url, json=rule, headers={"Authorization": "Bearer let-me-in"}).raise_for_status()

    def events(self, event: str) -> list[dict[str, Any]]:
        """What it has recorded of a kind."""
        lines = [line for file in self.settings.events.glob("*.jsonl") for line in file.read_text().splitlines()]
        return [fact for line in lines if (fact := json.loads(line))["event"] == event]


@pytest.fixture
def push(tmp_path: Path) -> Iterator[Provider]:
    """A running provider."""
    running = Provider(tmp_path)
    try:
        running.wait()
        yield running
    finally:
        running.http.close()
        running.process.kill()
        running.process.wait()


def test_a_push_is_taken_and_shown(push: Provider) -> None:
    """200, and two events that name device, message and reference."""
    assert push.push().status_code == 200
    deadline = time.monotonic() + 5
    while not push.events("push_displayed"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [sent] = push.events("push_sent")
    assert (sent["device"], sent["message_id"], sent["provider_answer"]) == ("bob/phone", "m-1", "accepted")
    assert (sent["observer"], sent["attempt"], sent["push_ref"]) == ("provider", 1, secret_ref(KEY, BOB))


@pytest.mark.parametrize(
    ("answer", "status", "event"),
    [
        ("unregistered", 410, "push_failed"),
        ("throttled", 429, "push_failed"),
        ("server_error", 500, "push_failed"),
        ("accepted_never_shown", 200, "push_sent"),
    ],
)
def test_every_answer_can_be_had(push: Provider, answer: str, status: int, event: str) -> None:
    """A rule turns the next push into that answer; removed, pushes are taken again."""
    push.rule("r", answer=answer, **({"retry_after_s": 1.2} if answer == "throttled" else {}))
    refused = push.push()
    assert refused.status_code == status
    assert refused.headers.get("Retry-After") == ("2" if answer == "throttled" else None)
    assert [fact["provider_answer"] for fact in push.events(event)] == [answer]
    assert push.events("push_displayed") == []


def test_a_hanging_provider_never_answers(push: Provider) -> None:
    """The caller's patience ends first; the attempt is on record."""
    push.rule("r", answer="hang")
    with pytest.raises(httpx2.TimeoutException):
        push.http.post(
            f"{push.url}/v1/push", json={"token": BOB, "message_id": "m", "conversation_id": "c"}, timeout=0.3
        )
    [failed] = push.events("push_failed")
    assert "http_status" not in failed


def test_a_rule_for_one_device_spares_the_others(push: Provider) -> None:
    """Bob's pushes fail, Eve's do not."""
    push.rule("r", answer="unregistered", device="bob/phone")
    assert [push.push(BOB).status_code, push.push(EVE).status_code] == [410, 200]


def test_a_share_strikes_about_that_part_and_repeats_with_the_seed(push: Provider) -> None:
    """Half of two hundred, give or take, and another provider with the same seed would choose the same."""
    push.rule("r", answer="server_error", share=0.5)
    struck = [push.push(message=f"m-{number}").status_code == 500 for number in range(200)]
    assert 70 < sum(struck) < 130
    assert [push.push(message=f"m-{number}").status_code == 500 for number in range(200)] != struck


def test_attempts_of_one_message_are_counted(push: Provider) -> None:
    """The third request for a message and token is its third attempt; another message begins anew."""
    for message in ("m-1", "m-1", "m-2", "m-1"):
        push.push(message=message)
    assert [fact["attempt"] for fact in push.events("push_sent")] == [1, 2, 1, 3]


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"[]", b'{"token": 1}', b'{"token": "x", "message_id": "m", "conversation_id": "c"}', b"[" * 5000],
)
def test_what_is_no_push_is_refused(push: Provider, body: bytes) -> None:
    """400, and nothing is recorded."""
    assert push.http.post(f"{push.url}/v1/push", content=body).status_code == 400
    assert push.events("push_failed") == []


def test_tokens_and_texts_are_kept_nowhere(push: Provider) -> None:
    """Neither log nor events have the token, or a body that a careless backend sent along."""
    wanted = {"token": BOB, "message_id": "m", "conversation_id": "c", "body": "for bob's eyes only"}
    push.http.post(f"{push.url}/v1/push", json=wanted)
    kept = push.log.read_text() + "".join(file.read_text() for file in push.settings.events.glob("*.jsonl"))
    assert BOB not in kept
    assert "eyes only" not in kept


def test_the_control_port_wants_its_token(push: Provider) -> None:
    """401 without, and no rule is put."""
    url = f"http://127.0.0.1:{push.settings.control_port}/control/rules"
    assert push.http.get(url).status_code == 401
    assert push.http.put(f"{url}/r", json={"answer": "hang"}).status_code == 401
    assert push.push().status_code == 200


@pytest.mark.parametrize("rule", [{}, {"answer": "maybe"}, {"answer": "hang", "share": 2}, {"answer": "hang", "x": 1}])
def test_a_rule_that_is_none_is_refused(push: Provider, rule: dict[str, object]) -> None:
    """400 with a sentence."""
    url = f"http://127.0.0.1:{push.settings.control_port}/control/rules/r"
    refused = push.http.put(url, json=rule, headers={"Authorization": "Bearer let-me-in"})
    assert refused.status_code == 400
    assert "error" in refused.json()


def test_it_ends_in_order(push: Provider) -> None:
    """SIGTERM: exit 0, and the history says that nothing was cut off."""
    push.process.send_signal(signal.SIGTERM)
    assert push.process.wait(5) == 0
    assert len(push.events("writer_closed")) == 1


def test_every_kind_says_what_it_answers() -> None:
    """The registry's answers are what rules take."""
    assert "throttled" in kinds()["unipush"].answers
