"""What Locust shows of a crowd: its files, and its page while the run goes on."""

from __future__ import annotations

import csv
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from harness.testing.reference_chat import free_port

pytestmark = pytest.mark.slow
NAMES = {"send", "deliver", "connect", "sync"}


def page_of(port: int, until: threading.Event) -> dict[str, Any]:
    """Ask Locust's page for its figures until all names are on it."""
    while not until.wait(0.2):
        try:
            with urlopen(f"http://127.0.0.1:{port}/stats/requests", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError:
            continue
        if {entry["name"] for entry in found["stats"]} >= NAMES and found["user_count"] == 24:
            return found
    return {}


def test_files_and_page_have_our_names_users_and_failures(loaded: Callable[..., Any], tmp_path: Path) -> None:
    """Sends and deliveries with their times, lost connections as failures, and one user for each person."""
    port, over, pages = free_port(), threading.Event(), list[dict[str, Any]]()
    reader = threading.Thread(target=lambda: pages.append(page_of(port, over)))
    reader.start()
    run = loaded("--csv", str(tmp_path / "stats"), "--html", str(tmp_path / "report.html"), "--web", str(port))
    over.set()
    reader.join()
    assert run.status == 0, run.errors
    (page,) = pages
    assert (page.get("user_count"), page.get("state")) == (24, "running")
    rows = {row["Name"]: row for row in csv.DictReader((tmp_path / "stats_stats.csv").read_text().splitlines())}
    assert rows.keys() >= NAMES
    accepted = run.events("server_accepted")
    delivered = run.events("recipient_online_delivered")
    sends = int(rows["send"]["Request Count"]) - int(rows["send"]["Failure Count"])
    assert 0 < sends <= len(accepted)
    assert 0 < int(rows["deliver"]["Request Count"]) <= len(delivered)
    assert float(rows["deliver"]["Average Response Time"]) > 0
    failed = {row["Name"] for row in csv.DictReader((tmp_path / "stats_failures.csv").read_text().splitlines())}
    assert "connect" in failed
    report = (tmp_path / "report.html").read_text()
    assert all(f'"name": "{name}"' in report or f'"name":"{name}"' in report for name in NAMES)
    assert {path.name for path in tmp_path.glob("stats_*.csv")} == {
        f"stats_{part}.csv" for part in ("stats", "stats_history", "failures", "exceptions")
    }


def test_a_port_that_is_taken_is_told_before_anything_starts(loaded: Callable[..., Any]) -> None:
    """A mistake of the user's, and no run."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = loaded("--web", str(taken.getsockname()[1]))
    assert run.status == 2
    assert "--web" in run.errors
    assert not run.folder.is_dir() or not (run.folder / "run.json").exists()
