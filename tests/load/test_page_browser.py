"""Locust's page in a real browser while a run goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from harness.testing.lacking import lacking
from harness.testing.reference_chat import free_port

pytestmark = [pytest.mark.slow, pytest.mark.browser]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
NAMES = {"send", "deliver", "connect", "sync"}


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[str], str]:
    """Opens an address and returns the text of the page after its scripts have asked for figures."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        lacking("browser", f"no browser was found ({', '.join(BROWSERS)}): apt-get install chromium")

    def opened(url: str) -> str:
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        # The page asks for its figures again and again: the browser is given some seconds of its own time.
        command = [browser, *QUIET, profile, "--virtual-time-budget=8000", "--dump-dom", url]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        bare = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", dom, flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]+>", " ", bare).split())

    return opened


def test_the_page_shows_our_people_names_and_failures(
    loaded: Callable[..., Any], family: Any, shown: Callable[[str], str]
) -> None:
    """Everybody online, each name with its times, lost connections with their reason, and Locust's workers."""
    port, seen = free_port(), dict[str, str]()

    def figures() -> dict[str, Any]:
        try:
            with urlopen(f"http://127.0.0.1:{port}/stats/requests", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError:
            return {}
        failed = {error["name"] for error in found["errors"]}
        complete = {entry["name"] for entry in found["stats"]} >= NAMES and "connect" in failed
        return found if complete and found["user_count"] == 24 else {}

    def look(_: Path) -> None:
        family.wait_until(figures)
        for tab in ("stats", "failures", "workers"):
            seen[tab] = shown(f"http://127.0.0.1:{port}/?tab={tab}")
        os.kill(family.pids("harness.cli.main", "load")[0], signal.SIGINT)

    run = loaded("--web", str(port), "--duration", "90s", "--processes", "2", meanwhile=look)
    assert run.status == 130, run.errors
    for name in NAMES:
        assert re.search(rf"CHAT {name} \d", seen["stats"]), seen["stats"]
    assert "Users 24" in seen["stats"]
    assert re.search(r"CHAT connect \w+", seen["failures"]), seen["failures"]
    assert re.search(r"Workers 2 .* running 12 .* running 12 ", seen["workers"]), seen["workers"]
    assert family.gone()
