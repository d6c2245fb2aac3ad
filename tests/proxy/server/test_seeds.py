"""Chance comes from the seed: the same seed strikes the same connections."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

CONNECTIONS = 24


def _struck(api: Any, echo: str, *, updated: bool) -> list[bool]:
    """Which of the connections a limit of 0 bytes with toxicity 0.5 closes."""
    proxy = {"name": "dice", "listen": "127.0.0.1:0", "upstream": echo}
    toxic = {"name": "half", "type": "limit_data", "toxicity": 0.5, "attributes": {"bytes": 0}}
    listen = api.post("/proxies", {**proxy, "toxics": [] if updated else [toxic]}).json["listen"]
    outcomes = []
    with ExitStack() as stack:
        clients = []
        for _ in range(CONNECTIONS):
            client = socket.create_connection(("127.0.0.1", int(listen.rpartition(":")[2])), timeout=10)
            clients.append(stack.enter_context(client))
            client.sendall(b"before")
            outcomes.append(client.recv(6) == b"")
        if updated:
            assert api.post("/proxies/dice/toxics", {**toxic, "toxicity": 0}).status == 200
            assert api.patch("/proxies/dice/toxics/half", {"toxicity": 0.5}).status == 200
            outcomes = []
            for client in reversed(clients):
                client.sendall(b"after")
                outcomes.append(client.recv(5) == b"")
            outcomes.reverse()
    return outcomes


def test_same_seed_same_decisions(server_with: Any, http_for: Callable[..., Any], echo: str) -> None:
    """Two servers of one seed decide alike, one of another seed does not."""
    patterns = []
    for seed in ("7", "7", "8"):
        with server_with("--seed", seed) as server:
            patterns.append(_struck(http_for(server), echo, updated=False))
    assert patterns[0] == patterns[1]
    assert patterns[0] != patterns[2]
    assert 4 <= sum(patterns[0]) <= 20


def test_decisions_do_not_depend_on_when(server_with: Any, http_for: Callable[..., Any], echo: str) -> None:
    """A toxic that comes, or gets its toxicity, only when connections are open strikes the same ones."""
    with server_with("--seed", "7") as server:
        api = http_for(server)
        at_once = _struck(api, echo, updated=False)
        assert api.delete("/proxies/dice").status == 204
        later = _struck(api, echo, updated=True)
    assert at_once == later
