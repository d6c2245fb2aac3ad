"""A small scenario, and ways to load it broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.plan import ScenarioPlan
from harness.scenario.diagnostics import BadFile, render_text
from harness.scenario.loader import load_scenarios

SCENARIO = """\
version: 1
name: bad-day
stack: reference
people:
  alice: {devices: [phone, laptop]}
  bob: {devices: [phone]}
workload:
  - {kind: direct, from: alice, to: bob, rate: 5/s}
phases: {baseline: 1s, observe: 4s, quiet: 3s}
faults:
  cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: 1s}
"""

Load = Callable[..., list[ScenarioPlan]]
Complain = Callable[..., str]
Change = Callable[[str, str], str]


@pytest.fixture
def scenario() -> str:
    """A small scenario without mistakes."""
    return SCENARIO


@pytest.fixture
def change() -> Change:
    """Replace one piece of the small scenario; the piece must be there once."""

    def replace(old: str, new: str) -> str:
        assert SCENARIO.count(old) == 1
        return SCENARIO.replace(old, new)

    return replace


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a text as the file bad.chaos.yaml of an otherwise empty working folder."""
    monkeypatch.chdir(tmp_path)

    def load_text(text: str | bytes, **options: object) -> list[ScenarioPlan]:
        Path("bad.chaos.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_scenarios([Path("bad.chaos.yaml")], **options)  # type: ignore[arg-type]

    return load_text


@pytest.fixture
def complaint(load: Load) -> Complain:
    """Return what is said about a text that must not load."""

    def complain(text: str | bytes, **options: object) -> str:
        with pytest.raises(BadFile) as caught:
            load(text, **options)
        return render_text(caught.value.diagnostics)

    return complain
