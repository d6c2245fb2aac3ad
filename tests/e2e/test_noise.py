"""Ports that get nonsense: nobody crashes, nobody hangs, nothing secret is logged, and sense still gets an answer."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from harness.testing.frame_noise import BURST, Stream, flood
from harness.testing.http_noise import Target, pour
from harness.testing.proxy_servers import running_server
from harness.testing.push_provider import BOB, CONTROL_TOKEN, PushProvider, push_provider
from harness.testing.reference_chat import ReferenceChat, reference_chat

REQUESTS = int(os.environ.get("CHAT_CHAOS_FUZZ_REQUESTS", "400"))
"""Requests per port, and frames; set it higher for a longer look."""
PASSWORD = "a-password-to-look-for"
TEXT = "a-body-to-look-for"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + REQUESTS // 20)]


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[ReferenceChat]:
    """A running reference backend."""
    with reference_chat(tmp_path) as running:
        yield running


@pytest.fixture
def push(tmp_path: Path) -> Iterator[PushProvider]:
    """A running push provider."""
    with push_provider(tmp_path) as running:
        yield running


def most_answered(target: Target, seed: int) -> bool:
    """Send all the noise; whether more than half of it was answered at all."""
    return asyncio.run(pour(target, seed=seed, requests=REQUESTS)) > REQUESTS / 2


def ok(url: str) -> bool:
    """Whether a sensible request is answered with 200."""
    return httpx2.get(url, timeout=10, trust_env=False).status_code == 200


def seen(text: str, *secret: str) -> list[str]:
    """Which of the secrets a log shows, or that it tells of a defect."""
    return [word for word in (*secret, "Traceback", "Exception in ASGI application") if word in text]


def test_the_proxys_api_survives() -> None:
    """Every route of the Toxiproxy API under noise."""
    with running_server("embedded") as server:
        paths = [f"/proxies{tail}" for tail in ("", "/p", "/p/toxics", "/p/toxics/t", "/p/connections", "/p/counters")]
        keys = ["name", "listen", "upstream", "enabled", "toxics", "type", "stream", "toxicity", "attributes"]
        target = Target(server.port, [*paths, "/version", "/reset", "/populate", "/metrics"], keys)
        assert most_answered(target, 1)
        assert ok(f"{server.url}/version")


def test_the_chats_port_survives_and_keeps_its_secrets(chat: ReferenceChat) -> None:
    """Every route of the chat under noise, with a token that lets it in; the log shows neither token nor password."""
    login = chat.login("alice", password=PASSWORD)
    paths = [
        "/v1/login",
        "/v1/register",
        "/v1/archive",
        "/v1/messages",
        "/v1/refresh",
        "/v1/groups",
        "/v1/push-token",
        "/v1/blocks/alice",
        "/v1/ws",
        "/healthz",
    ]
    keys = ["user", "password", "device", "body", "to", "client_message_id", "refresh_token", "members", "token"]
    headers = [f"Authorization: Bearer {login['token']}", "Content-Type: application/json"]
    assert most_answered(Target(chat.port, paths, keys, headers, ["alice", PASSWORD, TEXT, "phone"]), 2)
    assert ok(f"{chat.url}/healthz")
    assert seen(chat.log_text(), login["token"], login["refresh_token"], PASSWORD, TEXT) == []


def test_live_connections_survive_and_keep_their_secrets(chat: ReferenceChat) -> None:
    """Frames with anything in them, on connections with a token: after each burst a question is answered."""
    chat.login("bob")
    tokens = [chat.login("alice", f"phone-{number}")["token"] for number in range(4)]
    group = chat.ask("POST", "groups", tokens[0], {"members": ["bob"]}).json()["conversation_id"]
    stored = chat.post(tokens[0], to="bob", body=TEXT).json()["message_id"]
    samples = [
        {"type": "send", "ref": "1", "client_message_id": "c-1", "to": "bob", "body": TEXT, "client_time_ms": 1},
        {"type": "send", "ref": "2", "client_message_id": "c-2", "conversation_id": group, "body": TEXT},
        {"type": "receipt", "ref": "3", "message_id": stored, "state": "read"},
        {"type": "sync", "ref": "4", "cursor": "0", "limit": 3},
    ]
    url = f"{chat.url.replace('http', 'ws', 1)}/v1/ws"
    streams = [
        Stream(url, {"Authorization": f"Bearer {token}"}, samples, {"type": "sync", "limit": 1}) for token in tokens
    ]
    assert asyncio.run(flood(streams, seed=4, frames=REQUESTS)) >= REQUESTS // BURST
    assert chat.connect(tokens[0]).say("bob", "in earnest", secrets.token_hex(8))["type"] == "ack"
    assert seen(chat.log_text(), *tokens, TEXT) == []


def test_the_control_port_survives_and_keeps_its_token(chat: ReferenceChat) -> None:
    """Every route of the control port but the one that stops the service."""
    paths = ["stats", "limits", "tokens", "tokens/expire", "tokens/revoke", "time", "push-tokens"]
    headers = [f"Authorization: Bearer {chat.control_token}"]
    target = Target(
        chat.control_port, [f"/control/{path}" for path in paths], ["per_user", "overall", "user"], headers, ["alice"]
    )
    assert most_answered(target, 3)
    assert ok(f"{chat.url}/healthz")
    assert seen(chat.log_text(), chat.control_token) == []


def test_the_providers_port_survives_and_keeps_its_tokens(push: PushProvider) -> None:
    """Pushes and what is none; neither the log nor the events show a push token or a text."""
    keys = ["token", "message_id", "conversation_id", "body"]
    target = Target(push.settings.port, ["/v1/push", "/healthz"], keys, words=[BOB, BOB, TEXT])
    assert most_answered(target, 5)
    assert push.push(message="in-earnest").status_code == 200
    assert "in-earnest" in {fact["message_id"] for fact in push.events("push_sent")}
    assert seen(push.log.read_text() + push.recorded(), BOB) == []
    assert seen(push.log.read_text(), TEXT) == []


def test_the_providers_control_port_survives_and_keeps_its_token(push: PushProvider) -> None:
    """Rules and what is none; a rule in earnest still takes hold, and no log shows the control token."""
    keys = ["answer", "device", "share", "retry_after_s"]
    headers = [f"Authorization: Bearer {CONTROL_TOKEN}"]
    words = ["throttled", "server_error", "hang", "bob/phone", "0.5"]
    paths = [f"/control/{path}" for path in ("rules", "rules/r", "rules/r/hits", "rules/q", "received")]
    assert most_answered(Target(push.settings.control_port, paths, keys, headers, words), 6)
    push.rule("last", answer="unregistered")
    assert push.push().status_code == 410
    assert seen(push.log.read_text() + push.recorded(), CONTROL_TOKEN) == []
