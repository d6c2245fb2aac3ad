"""The service's log: one JSON line per event on stdout, with ids and never a body, a password or a token."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import Protocol

from harness.reference.frames import to_json

STDOUT = 1

Field = str | int | bool | None


class Log(Protocol):
    """Anything that takes an event with its fields."""

    def __call__(self, event: str, **fields: Field) -> None:
        """Write one event."""
        ...


def write_line(event: str, **fields: Field) -> None:
    """Write one event to stdout with the wall clock and the host's monotonic clock."""
    line = to_json({"time_ms": time.time_ns() // 1_000_000, "mono_ns": time.monotonic_ns(), "event": event, **fields})
    with contextlib.suppress(OSError):  # a chat goes on when whoever read its log is gone
        os.write(STDOUT, line + b"\n")


class LibraryLines(logging.Handler):
    """Turns what the web server and asyncio log (warnings, unhandled exceptions) into lines of the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; of an exception only its type and place, since its text may quote a message."""
        cause = record.exc_info[0] if record.exc_info else None
        write_line(
            "library_" + record.levelname.lower(),
            logger=record.name,
            message=record.getMessage().strip(),
            exception=cause.__name__ if cause else None,
            at=_place(record),
        )


def _place(record: logging.LogRecord) -> str | None:
    trace = record.exc_info[2] if record.exc_info else None
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
