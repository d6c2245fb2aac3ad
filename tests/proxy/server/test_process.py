"""The server as a program: its start, its end, and what it says when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "harness.proxy.server"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_orderly(number: signal.Signals) -> None:
    """It tells its address, serves, and exits with 0 on a signal, saying nothing more."""
    ready, tell = os.pipe()
    argv = [*COMMAND, "--port", "0", "--seed", "5", "--ready-fd", str(tell)]
    with subprocess.Popen(argv, pass_fds=[tell], stderr=subprocess.PIPE, text=True) as process:
        os.close(tell)
        with os.fdopen(ready) as told:
            host, _, port = told.read().strip().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"+chat-chaos" in client.recv(4096)
            process.send_signal(number)
            assert process.wait(5) == 0
        assert process.stderr is not None
        assert process.stderr.read() == f"proxy server 2.12.0+chat-chaos listens on http://{host}:{port} (seed 5)\n"


def test_a_busy_port_is_told_with_the_way_out() -> None:
    """Exit 3, one sentence and what to do, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = _run("--port", str(port))
    assert ended.returncode == 3
    assert ended.stderr.splitlines() == [
        f"the proxy server cannot listen on 127.0.0.1:{port}: address already in use",
        "  End the program that holds the port, or choose another with --port (0 takes a free one).",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port", "70000"], "port 70000 does not exist"),
        (["--host", "example.invalid"], "example.invalid is no IP address"),
        (["--port", "0", "--config", "/no/such/file"], "/no/such/file: no such file or directory"),
        (["--seed", "x"], "invalid int value"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], text: str) -> None:
    """Exit 2 and the reason."""
    ended = _run(*arguments)
    assert ended.returncode == 2
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_config_creates_proxies(tmp_path: Path, server_with: Any, http_for: Callable[..., Any]) -> None:
    """The proxies of the file are there, toxics included, once the server is ready."""
    config = tmp_path / "proxies.json"
    toxic = {"type": "latency", "attributes": {"latency": 5}}
    config.write_text(json.dumps([{"name": "db", "listen": "127.0.0.1:0", "upstream": "x:1", "toxics": [toxic]}]))
    with server_with("--config", str(config)) as server:
        proxy = http_for(server).get("/proxies/db").json
    assert proxy["enabled"] is True
    assert proxy["toxics"][0]["attributes"] == {"latency": 5, "jitter": 0}


def test_a_broken_config_is_told(tmp_path: Path) -> None:
    """Exit 2, naming the file and what is wrong with it."""
    config = tmp_path / "proxies.json"
    config.write_text('[{"name": "db"}]')
    ended = _run("--port", "0", "--config", str(config))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{config}: missing required field: upstream at proxy 1")


def test_it_starts_light() -> None:
    """Importing it brings in nothing outside the standard library, and no asyncio."""
    code = (
        "import sys; before = set(sys.modules); import harness.proxy.server;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
        ";print('asyncio' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert told.stdout.split() == ["harness", "False"]
