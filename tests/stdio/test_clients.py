"""Whole runs with a client program under test: a correct one passes, each mistake is caught by the check for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.places import scenarios_folder

pytestmark = pytest.mark.slow

Write = Callable[..., Path]

NO_ANSWER = '                say("failed", op=op, outcome="unknown", error_code="no_answer")\n'
ACCEPTED = '                say("accepted", op=op, message_id=ack["message_id"], conversation_seq=ack["seq"])\n'


def run(stack: Path, scenario: str) -> tuple[int, dict[str, Any], str]:
    """Play a scenario; return the exit code, the run, and what was said on standard error."""
    words = ["run", str(scenarios_folder() / f"{scenario}.chaos.yaml"), "--stack", str(stack), "--json"]
    argv = [sys.executable, "-m", "harness.cli.main", *words]
    done = subprocess.run(argv, cwd=stack.parent, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    [played] = json.loads(done.stdout)["runs"]
    return done.returncode, played, done.stderr


def failing(played: dict[str, Any]) -> dict[str, str]:
    """The first witness of each check that failed."""
    return {one["id"]: one["witnesses"][0]["text"] for one in played["checks"] if one["verdict"] == "fail"}


@pytest.mark.parametrize("scenario", ["lost-answer", "sent-is-not-delivered", "server-crash-mid-chat"])
def test_a_correct_client_passes(program: Write, scenario: str) -> None:
    """The example loses nothing, doubles nothing and shows nothing too early; its retries were examined."""
    code, played, _ = run(program(), scenario)
    assert code == 0, played["reasons"]
    examined = {one["id"]: one["exercised"] for one in played["checks"] if one["verdict"] == "pass"}
    assert examined["client_holds"] > 20


@pytest.mark.parametrize(
    ("old", "new", "scenario", "check", "told"),
    [
        (
            "            name = op\n",
            '            name = op if attempt == 1 else f"{op}-{attempt}"\n',
            "lost-answer",
            "retry_policy",
            "sent the same message again under another id",
        ),
        (NO_ANSWER, NO_ANSWER + "                return\n", "lost-answer", "client_holds", "nothing left to send"),
        (
            ACCEPTED,
            ACCEPTED + '                say("shows", message_id=ack["message_id"], state="delivered")\n',
            "sent-is-not-delivered",
            "sent_not_delivered",
            "by the client of its own accord",
        ),
        (
            "        self.spawn(self.catch_up())\n",
            "",
            "offline-and-back",
            "acked_never_lost",
            "never got it",
        ),
        (
            "            message = self.outbox[0]\n",
            "            message = self.outbox[-1]\n",
            "lost-answer",
            "client_order",
            "overtake message",
        ),
    ],
    ids=[
        "new id on retry",
        "forgets on reconnect",
        "sent shown as delivered",
        "fetches nothing missed",
        "newest first",
    ],
)
def test_a_mistake_is_caught_by_its_check(
    program: Write, old: str, new: str, scenario: str, check: str, told: str
) -> None:
    """Nothing of ours stands between the client and the verdict."""
    changes = [(old, new)]
    if check == "acked_never_lost":
        changes.append(("if not self.outbox and await self.catch_up():", "if not self.outbox:"))
    code, played, _ = run(program(*changes), scenario)
    assert code == 1
    assert told in failing(played)[check]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("                os._exit(7)\n", "it ended by itself with exit code 7"),
        ("                sys.stdout.write('debug: got it\\n')\n", "is not of the protocol: 13 bytes that are no JSON"),
        ("                time.sleep(60)\n", "it has answered no `ping`"),
    ],
    ids=["dies", "writes garbage", "hangs"],
)
def test_a_client_that_breaks_is_the_finding(program: Write, line: str, told: str) -> None:
    """In the middle of a run, after an answer got lost."""
    stack = program((NO_ANSWER, NO_ANSWER + line), ("import sys\n", "import sys\nimport time\n"))
    code, played, _ = run(stack, "lost-answer")
    assert code == 1
    assert told in failing(played)["client_holds"]


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("import sys; sys.exit('no licence')", "it ended by itself with exit code 1; its last words: no licence"),
        ("print('Hello!'); import time; time.sleep(60)", "line 1 of its output is not of the protocol: 6 bytes"),
    ],
    ids=["dies", "writes garbage"],
)
def test_a_client_that_never_gets_going_is_an_error(program: Write, client: str, told: str) -> None:
    """Exit 3, with its own last words."""
    code, played, _ = run(program(client=client), "lost-answer")
    assert code == 3
    assert any(told in reason["text"] for reason in played["reasons"]), played["reasons"]
