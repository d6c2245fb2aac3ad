"""no_leaks: what must not show in a log is found, named by its place and never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.leaks import MAX_WITNESSES, scan_logs
from harness.core.digests import canary
from harness.core.verdicts import Verdict

WORD = canary(b"key")
CLEAN = '{"event": "ack_sent", "message_id": "m-54708289dfdf8313", "device": "alice/phone"}\n'


def folder(tmp_path: Path, **logs: str) -> Path:
    """The folder of a run with these logs."""
    for name, text in logs.items():
        file = tmp_path / "logs" / f"{name}.log"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_logs_without_text_or_credential_pass(tmp_path: Path) -> None:
    """Ids are no secret; every line counts as looked at."""
    result = scan_logs(folder(tmp_path, chat=CLEAN * 3, push=CLEAN), WORD)
    assert (result.id, result.verdict, result.exercised, result.violations) == ("no_leaks", Verdict.PASS, 4, 0)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f'{{"event": "send", "body": "Hello there. {WORD} (0.1)"}}', "the text of a message"),
        ("authorization: Bearer 0123456789abcdef", "a bearer token"),
        ("pushing to up.bob.phone.a1b2c3d4 failed", "a push token"),
    ],
)
def test_what_must_not_show_is_named_by_its_place(tmp_path: Path, line: str, what: str) -> None:
    """The result itself must not show it either."""
    result = scan_logs(folder(tmp_path, chat=CLEAN + line + "\n"), WORD, required=True)
    assert (result.verdict, result.violations) == (Verdict.FAIL, 1)
    assert result.witnesses[0].text == f"line 2 of logs/chat.log shows {what}."


@pytest.mark.parametrize(
    "line", ["authorization: Bearer ***", "GET /v1/up.json", "the token up.bob.phone", f"canary {WORD[:-1]}"]
)
def test_what_only_resembles_a_secret_is_none(tmp_path: Path, line: str) -> None:
    """Struck out, cut off, or something else altogether."""
    assert scan_logs(folder(tmp_path, chat=line), WORD).verdict is Verdict.PASS


def test_one_leaky_log_does_not_hide_another(tmp_path: Path) -> None:
    """One witness of each kind and file comes first."""
    result = scan_logs(folder(tmp_path, chat=f"{WORD}\n" * 100, push=f"{WORD}\n"), WORD)
    assert result.violations == 101
    assert len(result.witnesses) == MAX_WITNESSES
    assert "logs/push.log" in result.witnesses[1].text


@pytest.mark.parametrize(("required", "verdict"), [(True, Verdict.INCONCLUSIVE), (False, None)])
def test_no_log_proves_nothing(tmp_path: Path, required: bool, verdict: Verdict | None) -> None:
    """A run whose logs are gone or empty."""
    assert scan_logs(tmp_path, WORD, required=required).verdict is verdict
    assert scan_logs(folder(tmp_path, chat=""), WORD, required=required).verdict is verdict


def test_without_a_canary_only_credentials_are_looked_for(tmp_path: Path) -> None:
    """Histories of older make do not name theirs."""
    assert scan_logs(folder(tmp_path, chat=f"{WORD}\n"), "").verdict is Verdict.PASS
    assert scan_logs(folder(tmp_path, chat=f"{WORD} Bearer 0123456789abcdef\n"), "").violations == 1


def test_bytes_that_are_no_text_are_read_too(tmp_path: Path) -> None:
    """A log may hold anything."""
    path = folder(tmp_path, chat="")
    (path / "logs" / "chat.log").write_bytes(b"\xff\xfe\x00 " + WORD.encode() + b"\xff")
    assert scan_logs(path, WORD).violations == 1
