"""Ports that get nonsense: nobody crashes, nobody hangs, nothing secret is logged, and sense still gets an answer."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from harness.testing.http_noise import Target, request, send
from harness.testing.proxy_servers import running_server
from harness.testing.reference_chat import ReferenceChat, reference_chat

pytestmark = pytest.mark.slow

REQUESTS = int(os.environ.get("CHAT_CHAOS_FUZZ_REQUESTS", "400"))
"""Requests per port; set it higher for a longer look."""


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[ReferenceChat]:
    """A running reference backend."""
    with reference_chat(tmp_path) as running:
        yield running


def shout(target: Target, seed: int) -> int:
    """Send all the noise; return how much of it was answered at all."""
    rng = random.Random(seed)
    return sum(bool(send(target, request(target, rng))) for _ in range(REQUESTS))


def ok(url: str) -> bool:
    """Whether a sensible request is answered with 200."""
    return httpx2.get(url, timeout=10, trust_env=False).status_code == 200


def test_the_proxys_api_survives() -> None:
    """Every route of the Toxiproxy API under noise."""
    with running_server("embedded") as server:
        paths = [f"/proxies{tail}" for tail in ("", "/p", "/p/toxics", "/p/toxics/t", "/p/connections", "/p/counters")]
        keys = ["name", "listen", "upstream", "enabled", "toxics", "type", "stream", "toxicity", "attributes"]
        target = Target(server.port, [*paths, "/version", "/reset", "/populate", "/metrics"], keys)
        assert shout(target, 1) > REQUESTS / 2
        assert ok(f"{server.url}/version")


def test_the_chats_port_survives_and_keeps_its_secrets(chat: ReferenceChat) -> None:
    """Every route of the chat under noise, with a token that lets it in; the log shows neither token nor password."""
    login = chat.login("alice", password="a-password-to-look-for")
    paths = [
        "/v1/login",
        "/v1/register",
        "/v1/archive",
        "/v1/messages",
        "/v1/refresh",
        "/v1/groups",
        "/v1/ws",
        "/healthz",
    ]
    keys = ["user", "password", "device", "body", "to", "client_message_id", "refresh_token", "members", "token"]
    headers = [f"Authorization: Bearer {login['token']}", "Content-Type: application/json"]
    assert shout(Target(chat.port, paths, keys, headers), 2) > REQUESTS / 2
    assert ok(f"{chat.url}/healthz")
    text = chat.log_text()
    assert login["token"] not in text
    assert "a-password-to-look-for" not in text
    assert "Traceback" not in text


def test_the_control_port_survives_and_keeps_its_token(chat: ReferenceChat) -> None:
    """Every route of the control port but the one that stops the service."""
    paths = ["/control/stats", "/control/limits", "/control/tokens", "/control/tokens/expire", "/control/time"]
    headers = [f"Authorization: Bearer {chat.control_token}"]
    target = Target(chat.control_port, paths, ["per_user", "overall", "user"], headers)
    assert shout(target, 3) > REQUESTS / 2
    assert ok(f"{chat.url}/healthz")
    assert chat.control_token not in chat.log_text()
    assert "Traceback" not in chat.log_text()
