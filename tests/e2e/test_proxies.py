"""The same scenario through each proxy server: the same verdict, and the report says which server it was."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.testing.container_engine import required_engine
from harness.testing.proxy_servers import required_toxiproxy

pytestmark = pytest.mark.slow

Chaos = Callable[..., "subprocess.CompletedProcess[str]"]
DEAF = 'deaf: {kind: network.downstream_blackhole, link: "client:alice->chat", start: {at: 300ms}, for: 900ms}'
PUSH_CUT = 'cut: {kind: network.down, link: "chat->push", start: {at: 300ms}, for: 500ms}'


@pytest.mark.parametrize(
    "proxy",
    [
        "embedded",
        pytest.param("toxiproxy", marks=pytest.mark.toxiproxy),
        pytest.param("image", marks=pytest.mark.docker),
    ],
)
def test_silence_is_proven_through_every_server(
    proxy: str,
    chaos: Chaos,
    quick_stack: Callable[..., Path],
    scenario: Callable[..., Path],
    verdict: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    """Whether the server counts what it swallows or not, the fault is felt, and results and page name the server."""
    if proxy == "image":
        required_engine().close()
    elif proxy == "toxiproxy":
        required_toxiproxy()
    run = verdict(chaos("run", scenario(DEAF, stack=quick_stack()), "--json", "--proxy", proxy))
    assert run["verdict"] == "pass", run["reasons"]
    assert run["proxy"] == proxy
    assert run["proxy_version"]
    assert run["proxy_why"] == f"asked for by --proxy {proxy}"
    page = tmp_path / "chat-chaos-runs" / run["run"] / "report.html"
    assert f"{proxy} {run['proxy_version']}" in page.read_text()


@pytest.mark.toxiproxy
def test_what_a_server_could_not_prove_is_skipped(
    chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path]
) -> None:
    """A fault that only live counters show is no scenario for the real one: skipped with the reason, never judged."""
    required_toxiproxy()
    done = chaos("run", scenario(PUSH_CUT, stack=quick_stack()), "--proxy", "toxiproxy")
    assert done.returncode == 5
    assert "unsupported: what network.down does on chat->push shows in live counters only" in done.stdout


def test_a_server_that_is_not_there(
    chaos: Chaos, quick_stack: Callable[..., Path], scenario: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for by hand and missing: exit 3 with the way to get it; left to us, our own server runs, and says why."""
    monkeypatch.setenv("CHAT_CHAOS_TOXIPROXY", "/nowhere/toxiproxy-server")
    file = scenario(DEAF, stack=quick_stack())
    forced = chaos("run", file, "--proxy", "toxiproxy")
    assert forced.returncode == 3
    assert "go install github.com/Shopify/toxiproxy" in forced.stderr
    [run] = json.loads(chaos("run", file, "--json").stdout)["runs"]
    assert run["proxy"] == "embedded"
    assert "CHAT_CHAOS_TOXIPROXY" in run["proxy_why"]
