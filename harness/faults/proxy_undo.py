"""Undo commands for a Toxiproxy-compatible server, as plain HTTP that anyone can send."""

from __future__ import annotations

import json
from urllib.parse import quote

from harness.faults.api import UndoCommand
from harness.proxy.api import ProxyInfo


def disable_undo(proxy: ProxyInfo, name: str) -> UndoCommand:
    """Enable a proxy that a fault disabled (POST: understood by every 2.x server)."""
    return UndoCommand("POST", f"{proxy.url}/proxies/{quote(name, safe='')}", json.dumps({"enabled": True}))


def toxic_undo(proxy: ProxyInfo, name: str, toxic: str) -> UndoCommand:
    """Delete a toxic that a fault installed."""
    return UndoCommand("DELETE", f"{proxy.url}/proxies/{quote(name, safe='')}/toxics/{quote(toxic, safe='')}")
