"""The benchmark beside tsung runs, in short, and says what was lost, or that there is nothing to compare with."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.testing.chat_servers import required
from harness.testing.lacking import lacking

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_xmpp.py"
BRIEFLY = ("--rounds", "1", "--people", "2", "--rate", "20", "--seconds", "1")
RATE = 20
NAMES = ("load0000-1-0", "load0001-1-0")


@pytest.mark.slow
def test_both_are_compared() -> None:
    """Each message of ours is told with its outcome, tsung's are counted, and the exit code says what the line says."""
    required("ejabberd")
    if shutil.which("tsung") is None:
        lacking("tsung", "needs tsung: apt-get install tsung")
    done = subprocess.run(
        [sys.executable, BENCHMARK, *BRIEFLY], capture_output=True, text=True, timeout=100, check=False
    )
    _, header, ours, theirs, last = done.stdout.splitlines()
    assert header.startswith("load side"), done.stderr
    assert (ours.startswith("our driver"), theirs.startswith("tsung")) == (True, True)
    written = int(theirs.rpartition("wrote ")[2])
    assert ours.endswith(f"of each of {written}: {written} accepted; {written} came")
    assert done.returncode == (0 if last.endswith("both carried the rate, nothing was lost") else 1), done.stderr


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    """Without tsung a sentence says how to get it, with exit code 3."""
    environment = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, BENCHMARK], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Nothing to compare with: apt-get install tsung ")


Played = Callable[..., Any]


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The demands of the benchmark."""
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    return importlib.import_module("xmpp_bars")


@pytest.fixture
def played(bars: ModuleType) -> Played:
    """Makes a play of two messages, all well but for what is given."""
    archive, sides = importlib.import_module("xmpp_archive"), importlib.import_module("xmpp_sides")

    def made(**given: Any) -> Any:
        known = sides.Known(2, given.get("outcomes", dict.fromkeys(NAMES, "accepted")), given.get("came", NAMES))
        sent, received = (Counter(given.get(box, NAMES)) for box in ("sent", "received"))
        return bars.Play(500.0, given.get("per_s", RATE), 30.0, 2, known, archive.Archived(sent, received, ()))

    return made


def test_nothing_is_missed(bars: ModuleType, played: Played) -> None:
    """All of both, and of ours each."""
    counted_only = played(outcomes={}, came=())
    assert bars.failures(RATE, {"ours": [played()], "theirs": [counted_only]}) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"per_s": 18}, "ours: 18.0 messages/s in the archive, 20 were asked for"),
        ({"outcomes": {}, "sent": NAMES[:1]}, "ours: 1 messages in the senders' archives, 2 were asked for"),
        ({"outcomes": {}, "received": NAMES[:1]}, "ours: 1 messages in the recipients' archives, 2 were asked for"),
        ({"outcomes": {NAMES[0]: "unknown"}}, f"ours: message {NAMES[0]} unknown, came, is 1 and 1 times"),
        ({"came": NAMES[:1]}, f"ours: message {NAMES[1]} accepted, did not come, is 1 and 1 times"),
        ({"sent": NAMES[:1] * 2}, f"ours: message {NAMES[0]} accepted, came, is 2 and 1 times"),
    ],
)
def test_what_is_missed_is_named(bars: ModuleType, played: Played, given: dict[str, Any], said: str) -> None:
    """The rate, and each place in which a message was to be."""
    first, *_ = bars.failures(RATE, {"ours": [played(**given)]})
    assert first.startswith(said)
