"""What the swarms count, in Locust's own statistics: its page, files and masters then show it as their own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from locust.stats import RequestStats, StatsEntry, StatsError

METHOD = "CHAT"
"""Where Locust shows GET or POST."""


def add(stats: RequestStats, counted: Mapping[str, Any]) -> None:
    """Add what one swarm counted in a second: times by their name, and failed attempts by their error code."""
    for name, found in counted["times"].items():
        _extend(stats, name, _times(stats, name, found))
    for name, count in counted["untimed"].items():
        _extend(stats, name, _untimed(stats, name, count))
    for name, code, count in counted["failures"]:
        _extend(stats, name, _failures(stats, name, count))
        key = StatsError.create_key(METHOD, name, code)
        stats.errors.setdefault(key, StatsError(METHOD, name, code)).occurrences += count


def _extend(stats: RequestStats, name: str, more: StatsEntry) -> None:
    stats.entries[name, METHOD].extend(more)
    stats.total.extend(more)


def _times(stats: RequestStats, name: str, found: Mapping[str, Any]) -> StatsEntry:
    entry = _entry(stats, name)
    for bucket, count in found["counts"].items():
        ms = int(bucket)
        entry.response_times[ms] += count
        entry.num_requests += count
        entry.total_response_time += ms * count
    entry.min_response_time = min(entry.response_times)
    entry.max_response_time = round(found["max_ms"])
    entry.num_reqs_per_sec[int(time.time())] += entry.num_requests
    return entry


def _untimed(stats: RequestStats, name: str, count: int) -> StatsEntry:
    """What came from another process counts, and says nothing of how long it took."""
    entry = _entry(stats, name)
    entry.num_requests = entry.num_none_requests = count
    entry.num_reqs_per_sec[int(time.time())] += count
    return entry


def _failures(stats: RequestStats, name: str, count: int) -> StatsEntry:
    """Failed attempts have no time of their own: the time of their message runs on until it is accepted."""
    entry = _entry(stats, name)
    entry.num_requests = entry.num_none_requests = entry.num_failures = count
    now_s = int(time.time())
    entry.num_reqs_per_sec[now_s] += count
    entry.num_fail_per_sec[now_s] += count
    return entry


def _entry(stats: RequestStats, name: str) -> StatsEntry:
    entry = StatsEntry(stats, name, METHOD)
    entry.last_request_timestamp = time.time()
    return entry
