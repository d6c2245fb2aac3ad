"""Temporary folders that betray whether their owner still lives.

The owner keeps an advisory lock on a file in each of its folders. The kernel drops the lock with the process, however
it ends, so a folder whose lock can be had is a leftover: no pid has to be compared, which would go wrong after a
reboot, when pids are reused, and when containers share the folder. Imported by the watcher: keep the imports light.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

PREFIX = "chat-chaos-"
OWNER_FILE = ".chat-chaos-owner"


def make(root: str, name: str, *, journal: str) -> tuple[str, int]:
    """Make a private folder under ``root`` and return it with the open lock that marks it as owned.

    It gets its final name only once it is locked, so that no sweep can meet it unowned. Raises ``OSError``.
    """
    stem = f"{name}-{os.getpid()}-{os.urandom(4).hex()}"
    made, final = os.path.join(root, f".{stem}"), os.path.join(root, f"{PREFIX}{stem}")  # noqa: PTH118 - light
    os.mkdir(made, 0o700)  # noqa: PTH102 - pathlib would double the watcher's start
    lock = os.open(os.path.join(made, OWNER_FILE), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)  # noqa: PTH118
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(lock, json.dumps({"pid": os.getpid(), "journal": journal}).encode())
    os.rename(made, final)  # noqa: PTH104
    return final, lock


def remove(folder: str) -> None:
    """Remove a folder with all that is in it; what cannot be removed is left for the next sweep."""
    import shutil  # noqa: PLC0415 - only at the end of a life; it brings the compression libraries along

    shutil.rmtree(folder, ignore_errors=True)


def leftovers(root: str) -> Iterator[tuple[str, str]]:
    """Yield each folder under ``root`` whose owner is dead, and its journal; locked while the caller has it."""
    with os.scandir(root) as entries:
        candidates = [entry.path for entry in entries if entry.name.startswith(PREFIX) and _ours(entry)]
    for folder in candidates:
        lock = _claim(folder)
        if lock is not None:
            try:
                yield folder, _journal(lock)
            finally:
                os.close(lock)


def _ours(entry: os.DirEntry[str]) -> bool:
    """Whether this user made it: in a folder that everybody may write to, a name proves nothing."""
    with suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return False


def _claim(folder: str) -> int | None:
    try:
        lock = os.open(os.path.join(folder, OWNER_FILE), os.O_RDONLY | os.O_NOFOLLOW)  # noqa: PTH118
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _journal(lock: int) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(os.pread(lock, 65536, 0))["journal"])
    return ""
