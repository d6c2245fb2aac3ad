"""The page in a real browser, without a window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.report.html.page import write_report
from harness.testing.histories import HistoryBuilder, at_ns
from harness.testing.lacking import lacking

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CONSOLE = re.compile(r":CONSOLE[:(].*")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@dataclass(frozen=True, slots=True)
class Shown:
    """A page after its scripts ran, and what it wrote to the console."""

    dom: str
    console: list[str]


@pytest.fixture(scope="module")
def browser() -> str:
    """Path of a browser; skips where there is none, fails where CHAT_CHAOS_REQUIRE lists it."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or lacking("browser", f"no browser was found ({', '.join(NAMES)}): apt-get install chromium")


@pytest.fixture
def show(browser: str, tmp_path: Path) -> Callable[[Path], Shown]:
    """Opens a file."""

    def opened(file: Path) -> Shown:
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [browser, *QUIET, profile, "--dump-dom", file.absolute().as_uri()]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
        return Shown(ended.stdout, CONSOLE.findall(ended.stderr))

    return opened


def test_the_page_of_a_lost_message(show: Callable[[Path], Shown], lost_message: Path) -> None:
    """All sections stand, the pictures are drawn, our script ran, and the browser has nothing to complain about."""
    shown = show(write_report(lost_message))
    assert shown.console == []
    for anchor in ("messages", "check-acked_never_lost", "check-acked_never_lost-1", "faults", "checks", "facts"):
        assert f'id="{anchor}"' in shown.dom
    assert shown.dom.count("<svg ") == 2
    assert re.search(r'<button data-copy="replay">', shown.dom), "the script takes the button out of hiding"


def test_a_hostile_server_does_not_get_its_script_run(
    show: Callable[[Path], Shown], run_folder: Callable[..., Path]
) -> None:
    """Ids and log lines that are markup change neither the title nor anything else."""
    attack = (
        "</script></svg></title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    )
    builder = HistoryBuilder().online("alice/phone", f"{attack}/phone")
    builder.send(attack, 3.0, to=attack)
    builder.final_sync("alice/phone").archive(["alice", attack], [])
    folder = run_folder(builder, scenario="bad-day", replay=attack)
    line = {"mono_ns": at_ns(3.0), "event": attack, "message_id": f"s-{attack}"}
    (folder / "logs" / "chat.log").write_text(json.dumps(line) + "\n")
    shown = show(write_report(folder))
    assert "<title>FAIL bad-day</title>" in shown.dom
    assert "<img" not in shown.dom
    assert shown.console == []


def test_a_script_of_another_is_refused(show: Callable[[Path], Shown], lost_message: Path, tmp_path: Path) -> None:
    """Should markup slip through one day, the page's own policy keeps it from running, and the console tells."""
    page = write_report(lost_message).read_text()
    spoiled = tmp_path / "spoiled.html"
    spoiled.write_text(page.replace("</body>", "<script>document.title='owned'</script></body>"))
    shown = show(spoiled)
    assert "<title>owned</title>" not in shown.dom
    assert any("Content Security Policy" in line for line in shown.console)
