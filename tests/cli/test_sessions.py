"""A session in front of a person."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.cli import sessions
from harness.cli.boundary import Interrupted
from harness.cli.options import Choices, parameters
from harness.core.errors import UsageError
from harness.core.places import scenarios_folder
from harness.core.plan import ScenarioPlan
from harness.core.results import RunResult
from harness.engine.options import RunOptions
from harness.engine.stream import Listener, RunStarted
from harness.scenario.loader import load_scenarios


@pytest.fixture
def ends_here() -> Iterator[None]:
    """An interrupted session takes what comes after it for the end of its process."""
    heard = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, heard)
    logging.getLogger("asyncio").disabled = False


@pytest.mark.usefixtures("ends_here")
def test_an_interruption_names_the_folder_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C tells where the evidence lies and how to judge it."""

    async def interrupted(
        plans: Sequence[ScenarioPlan], options: RunOptions, listener: Listener, _: object
    ) -> list[RunResult]:
        listener(RunStarted("r", plans[0], options.seed, tmp_path / "r", 1, None))
        raise KeyboardInterrupt

    monkeypatch.setattr(sessions, "run_session", interrupted)
    choices = Choices(quiet=True, out=tmp_path)
    plans = load_scenarios([scenarios_folder() / "lost-answer.chaos.yaml"])
    with pytest.raises(Interrupted, match="to judge it: chat-chaos check") as told:
        sessions.play(plans, sessions.options_from(choices), sessions.console_for(choices))
    assert str(tmp_path / "r") in told.value.hint


def test_a_seed_that_nobody_chose_is_drawn() -> None:
    """Two sessions without a seed differ; a given one is kept, zero too."""
    assert sessions.options_from(Choices()).seed != sessions.options_from(Choices()).seed
    assert sessions.options_from(Choices(seed=0)).seed == 0


def test_settings_are_pairs() -> None:
    """The last value of a key counts, a value may hold an equals sign and be empty."""
    assert parameters(["a=1", "b=x=y", "a=", "c="]) == {"a": "", "b": "x=y", "c": ""}
    assert parameters(None) == {}
    for wrong in ("key", "=value", ""):
        with pytest.raises(UsageError, match="is not KEY=VALUE"):
            parameters([wrong])
