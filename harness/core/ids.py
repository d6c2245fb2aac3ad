"""Names that must not collide: runs and the files of event writers."""

from __future__ import annotations

import secrets
import time


def new_run_id(scenario: str, worker: str = "") -> str:
    """Return a sortable, readable, unique id for one execution of a scenario, with the worker that executes it."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return "-".join(part for part in (stamp, scenario, worker, secrets.token_hex(3)) if part)


def writer_id(role: str, pid: int, start_ns: int) -> str:
    """Return the id of one process start: a restarted process is another writer and gets another file."""
    return f"{role}-{pid}-{start_ns}"
