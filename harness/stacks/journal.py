"""The journal of faults in force: on disk before each command, so that a stranger can take them back.

One JSON object a line: ``{"applying": FAULT, "undo": [{"method", "url", "body"}]}`` and ``{"undone": FAULT}``.
Imported by the watcher: keep the imports light.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

NAME = "journal.jsonl"
"""In the folder of a run."""
_REQUEST_LIMIT_S = 1.0


class Undo(Protocol):
    """One HTTP request that takes a fault back (``harness.faults.api.UndoCommand`` is one)."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def url(self) -> str:
        """The whole address, ``http`` only."""
        ...

    @property
    def body(self) -> str:
        """The body, empty for none."""
        ...


class Journal:
    """Appends to a journal; each line is on disk when the call returns."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def applying(self, fault_id: str, undo: Sequence[Undo]) -> None:
        """Note how to take a fault back; call it before the fault's command is given."""
        requests = [{"method": each.method, "url": each.url, "body": each.body} for each in undo]
        self._append({"applying": fault_id, "undo": requests})

    def undone(self, fault_id: str) -> None:
        """Note that the fault was taken back and that nobody else has to do it."""
        self._append({"undone": fault_id})

    def close(self) -> None:
        """Close the file; what is outstanding stays outstanding."""
        os.close(self._fd)

    def _append(self, entry: dict[str, Any]) -> None:
        os.write(self._fd, json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        os.fsync(self._fd)


def outstanding(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Return the requests that undo all faults still in force, last applied first.

    A missing journal has none. A torn last line is a fault whose command was never given, and is left out.
    """
    in_force: dict[str, list[dict[str, str]]] = {}
    for entry in _entries(path):
        if "applying" in entry:
            in_force.pop(entry["applying"], None)
            in_force[entry["applying"]] = entry["undo"]
        else:
            in_force.pop(entry.get("undone", ""), None)
    return [request for requests in reversed(in_force.values()) for request in reversed(requests)]


def carry_out(requests: Sequence[dict[str, str]], *, within_s: float) -> int:
    """Send undo requests in order and return how many were answered well; a failing one does not stop the next.

    Each waits at most a second, all together at most ``within_s``; those that time leaves out are not sent.
    """
    end = time.monotonic() + within_s
    done = 0
    for request in requests:
        left = end - time.monotonic()
        if left <= 0:
            break
        done += _send(request, min(left, _REQUEST_LIMIT_S))
    return done


def _entries(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would double the watcher's start
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                entries.append(entry)
    return entries


def _send(request: dict[str, str], limit_s: float) -> bool:
    # Not urllib.request: it obeys the proxy variables of the environment, and an undo must not take that way.
    import http.client  # noqa: PLC0415 - heavy, and needed only after a disaster
    from urllib.parse import urlsplit  # noqa: PLC0415

    address = urlsplit(request["url"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=limit_s)
    headers = {"Content-Type": "application/json"} if request["body"] else {}
    try:
        connection.request(request["method"], address.path or "/", request["body"].encode() or None, headers)
        return connection.getresponse().status < http.client.BAD_REQUEST
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
