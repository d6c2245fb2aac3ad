"""The report as the command line makes and names it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.report import report
from harness.core.errors import UsageError
from harness.core.verdicts import Verdict
from harness.engine.stream import RunFinished
from harness.report.console import Console
from harness.report.progress import NoProgress
from harness.report.text import Detail

Finished = Callable[..., RunFinished]


@pytest.fixture
def folder(lost_message: Path, tmp_path: Path) -> Path:
    """A run's folder as it was before its page was made."""
    return shutil.copytree(
        lost_message, tmp_path / "runs" / "latest", ignore=shutil.ignore_patterns("report.html", "results.json")
    )


def test_a_killed_run_gets_its_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without results it is judged on the way; where the page lies is the result of the command."""
    assert report(folder) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert "never stored" in (folder / "report.html").read_text()


def test_the_latest_run_is_meant_if_none_is_named(folder: Path) -> None:
    """As with the other commands that look back."""
    assert report(out=folder.parent) == 0
    assert (folder / "report.html").is_file()


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A mistake in the path is told as such."""
    with pytest.raises(UsageError, match="there is no run folder"):
        report(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("verdict", "told"), [(Verdict.FAIL, True), (Verdict.INCONCLUSIVE, True), (Verdict.PASS, False)]
)
def test_the_page_is_named_beside_what_went_wrong(
    finished: Finished, tmp_path: Path, verdict: Verdict, told: bool
) -> None:
    """A person who has to look closer is told where; a pass stays one line."""
    (tmp_path / "report.html").touch()
    lines = _console_lines(replace(finished(verdict), folder=tmp_path))
    assert (f"  report    {tmp_path}/report.html" in lines) is told


def test_a_page_that_was_not_made_is_not_named(finished: Finished, tmp_path: Path) -> None:
    """Nothing points to a file that is not there."""
    lines = _console_lines(replace(finished(Verdict.FAIL), folder=tmp_path))
    assert not any(line.startswith("  report") for line in lines)


def _console_lines(item: RunFinished) -> list[str]:
    stream = io.StringIO()
    Console(NoProgress(), stream, {}, Detail(), lambda _folder, _result: "")(item)
    return stream.getvalue().splitlines()
