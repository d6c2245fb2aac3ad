"""The push simulator as a process under test, for tests that need a real provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from harness.providers.control import HttpProviderControl
from harness.providers.control_client import ControlClient
from harness.providers.registry import provider_kind
from harness.providers.settings import Settings, environment
from harness.providers.tokens import push_token
from harness.testing.reference_chat import free_port

KEY = bytes(32)
CONTROL_TOKEN = "let-me-in"  # noqa: S105 - of a process that lives as long as a test
BOB = push_token("bob/phone", "0a1b")
PATIENCE_S = 30.0


class PushProvider:
    """One simulator process on ports of its own."""

    def __init__(self, folder: Path, kind: str = "unipush") -> None:
        self.settings = Settings(free_port(), free_port(), CONTROL_TOKEN, "push", "run-1", folder / "events", KEY, 7)
        self.log = folder / "provider.log"
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self.control_url = f"http://127.0.0.1:{self.settings.control_port}/control"
        client = ControlClient(self.control_url.removesuffix("/control"), CONTROL_TOKEN, "the provider")
        self.control = HttpProviderControl(provider_kind(kind), client)
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE_S)
        env = {"PATH": os.environ["PATH"], **environment(self.settings)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, *provider_kind(kind).run], env=env, stdout=log, stderr=log)

    def wait(self) -> None:
        """Wait until it answers; raises ``RuntimeError`` when it ends instead."""
        end = time.monotonic() + PATIENCE_S
        while not self._healthy():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the provider did not start: {self.log.read_text()[-400:]}")
            time.sleep(0.02)

    def _healthy(self) -> bool:
        try:
            return self.http.get(f"{self.url}/healthz").status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    def push(self, token: str = BOB, message: str = "m-1", **others: object) -> httpx2.Response:
        """Ask it to show something."""
        wanted = {"token": token, "message_id": message, "conversation_id": "d:alice:bob", **others}
        return self.http.post(f"{self.url}/v1/push", json=wanted)

    def put_rule(self, name: str, **rule: object) -> httpx2.Response:
        """Ask for a rule."""
        headers = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
        return self.http.put(f"{self.control_url}/rules/{name}", json=rule, headers=headers)

    def rule(self, name: str, **rule: object) -> None:
        """Put a rule in force."""
        self.put_rule(name, **rule).raise_for_status()

    def events(self, event: str) -> list[dict[str, Any]]:
        """What it has recorded of a kind."""
        return [fact for line in self.recorded().splitlines() if (fact := json.loads(line))["event"] == event]

    def recorded(self) -> str:
        """All that it has recorded."""
        return "".join(file.read_text() for file in self.settings.events.glob("*.jsonl"))

    def close(self) -> None:
        """Kill the process."""
        self.http.close()
        self.process.kill()
        self.process.wait()


@contextmanager
def push_provider(folder: Path, kind: str = "unipush") -> Iterator[PushProvider]:
    """Run a provider for the length of a block."""
    running = PushProvider(folder, kind)
    try:
        running.wait()
        yield running
    finally:
        running.close()
