"""Room for one file descriptor per connection, here and in all that is started from here."""

from __future__ import annotations

import resource


def raise_file_limit() -> int:
    """Allow this process and its future children as many open files as need no more rights; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
