"""Every way a command can end becomes an exit code and at most one sentence."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from harness.cli.boundary import Interrupted, exit_code_of
from harness.core.errors import ChatChaosError, EnvironmentFault, NothingSelected, UsageError


def _raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("what", hint="way out"), 2),
        (EnvironmentFault("what", hint="way out"), 3),
        (NothingSelected("what", hint="way out"), 5),
        (Interrupted("what", hint="way out"), 130),
    ],
)
def test_an_error_for_the_user_is_a_sentence(
    error: ChatChaosError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What and way out go to stderr, nothing to stdout, and each kind has its exit code."""
    assert exit_code_of(lambda: _raising(error)) == code
    assert capsys.readouterr() == ("", "what\n  way out\n")


def test_an_error_in_one_of_several_tasks_is_told_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a group of errors the one that the user can mend is told."""
    group = ExceptionGroup("tasks", [ValueError("odd"), ExceptionGroup("inner", [UsageError("the port is taken")])])
    assert exit_code_of(lambda: _raising(group)) == 2
    assert capsys.readouterr().err == "the port is taken\n"


def test_an_interruption_has_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is no verdict and no defect."""
    assert exit_code_of(lambda: _raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_defect_of_ours_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unforeseen error exits 70 with one sentence; the traceback is in the file that the sentence names."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert exit_code_of(lambda: _raising(RuntimeError("odd\nsecond line"))) == 70
    told = capsys.readouterr().err
    assert "RuntimeError: odd\n" in told
    assert "Traceback" not in told
    [file] = tmp_path.glob("chat-chaos-defect-*.txt")
    assert str(file) in told
    assert "Traceback" in file.read_text()


def test_a_result_is_passed_on() -> None:
    """A command's own exit code is the program's."""
    assert exit_code_of(lambda: 4) == 4
