"""The lines between the harness and a client program."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import EnvironmentFault, UsageError
from harness.drivers.stdio.lines import Accepted, BadLine, Pong, Received, Said, Shows, decode, encode
from harness.drivers.stdio.options import command, settle
from harness.drivers.stdio.program import Listening, Program
from harness.scenario.diagnostics import BadFile
from harness.scenario.stackfile import load_stack

Write = Callable[..., Path]


def test_a_line_of_the_harness_leaves_out_what_there_is_not() -> None:
    """A client need not look for nulls."""
    assert json.loads(encode("send", op="a", to="bob", conversation_id=None)) == {"do": "send", "op": "a", "to": "bob"}


def test_a_line_of_a_client_is_read() -> None:
    """The example of the guide."""
    assert decode(b'{"say": "accepted", "op": "a-1", "message_id": "m1"}') == Accepted(op="a-1", message_id="m1")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"hello", "5 bytes that are no JSON object"),
        (b"[1]", "a line without 'say': Expected `object`, got `array`"),
        (b"{}", "missing required field `say`"),
        (b'{"say": "acepted"}', "a line 'acepted': Invalid value 'acepted'"),
        (b'{"say": "accepted", "op": "a"}', "a line 'accepted': Object missing required field `message_id`"),
        (b'{"say": "pong", "id": "1"}', "Expected `int`, got `str` - at `$.id`"),
        (b'{"say": "pong", "id": 1, "od": 2}', "unknown field `od`"),
        (b"\xff\xfe", "2 bytes that are no JSON object"),
        (b"[" * 5000, "a line: Expected `object`, got `array`"),
    ],
)
def test_what_is_no_line_is_told_without_what_it_says(line: bytes, told: str) -> None:
    """Which field is wrong; the rest of the line may be a message's text."""
    with pytest.raises(BadLine) as bad:
        decode(line)
    assert told in str(bad.value)


def test_a_claim_is_heard_after_everything_that_was_written_before_it() -> None:
    """What one client shows may rest on what another one said before: pipes are not read in the order of writing."""

    async def scene() -> list[str]:
        heard: list[str] = []
        listening = Listening()
        pipes = {name: os.pipe() for name in ("alice", "bob")}
        for name, (reading, _) in pipes.items():
            listening.add(reading, lambda said, name=name: heard.append(f"{name} {kind(said)}"), lambda *_: None)
        received = b'{"say":"received","message_id":"m","conversation_id":"c","sender":"a","body":"b","via":"live"}\n'
        os.write(pipes["bob"][1], received)
        os.write(pipes["alice"][1], b'{"say":"shows","state":"delivered","message_id":"m"}\n{"say":"pong","id":1}\n')
        listening.drain(pipes["alice"][0])
        for reading, writing in pipes.values():
            os.close(writing)
            listening.drop(reading)
        return heard

    assert asyncio.run(scene()) == ["alice Pong", "bob Received", "alice Shows"]


def kind(said: Said) -> str:
    """The name of what was said."""
    assert isinstance(said, Pong | Received | Shows)
    return type(said).__name__


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_lines_are_put_together_from_pieces(cut: int) -> None:
    """A pipe gives what it has."""

    async def scene() -> list[Said]:
        heard: list[Said] = []
        listening = Listening()
        reading, writing = os.pipe()
        listening.add(reading, heard.append, lambda *_: None)
        text = b'{"say":"pong","id":1}\n{"say":"pong","id":2}\n'
        for part in (text[:cut], text[cut:]):
            os.write(writing, part)
            listening.drain(reading)
        os.close(writing)
        listening.drop(reading)
        return heard

    assert asyncio.run(scene()) == [Pong(id=1), Pong(id=2)]


def test_the_end_of_a_program_comes_after_its_last_words(tmp_path: Path) -> None:
    """What it said before it ended is heard; how it ended and what it complained about is known."""
    script = 'import sys; print(\'{"say":"pong","id":7}\'); sys.stderr.write(\'out of luck\\n\'); sys.exit(3)'

    async def scene() -> tuple[int, list[Said], str]:
        heard: list[Said] = []
        one = command({"run": f'{sys.executable} -c "{script.replace(chr(34), chr(92) + chr(34))}"', "truth": "t"})
        program = await Program.start(one, tmp_path / "log", Listening(), heard.append, lambda *_: None)
        status = await program.ended()
        await program.stop(encode("stop"), 1.0)
        return status, heard, program.last_words()

    assert asyncio.run(scene()) == (3, [Pong(id=7)], "out of luck")


def test_a_program_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """Closed standard input and `stop` are a request, and then it is over."""
    one = command({"run": f"{sys.executable} -c 'import time; time.sleep(60)'", "truth": "t"})

    async def scene() -> int:
        program = await Program.start(one, tmp_path / "log", Listening(), lambda _: None, lambda *_: None)
        await program.stop(encode("stop"), 0.1)
        return await program.ended()

    assert asyncio.run(scene()) == -9


def test_a_program_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    """In a sentence, with the command."""
    one = command({"run": "no-such-program --fast", "truth": "t"})
    with pytest.raises(EnvironmentFault, match="could not be started: no-such-program --fast: No such file"):
        asyncio.run(Program.start(one, tmp_path / "log", Listening(), lambda _: None, lambda *_: None))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "needs 'run'"),
        ({"run": "cat"}, "needs 'truth'"),
        ({"run": "cat '", "truth": "reference"}, "is no command"),
        ({"run": "no-such-program", "truth": "reference"}, "there is no program 'no-such-program'"),
        ({"run": "cat", "truth": "stdio"}, "cannot read the archive itself"),
        ({"run": "cat", "truth": "websocket"}, "needs a mapping file"),
    ],
)
def test_options_are_checked_with_the_stack_file(tmp_path: Path, options: dict[str, str], told: str) -> None:
    """A wrong stack file is told before anything is started."""
    with pytest.raises(UsageError, match=told):
        settle(options, tmp_path)


def test_mistakes_have_their_place_in_the_stack_file(program: Write) -> None:
    """File, line and column."""
    stack = program()
    assert load_stack(str(stack)).driver_options["run"].startswith(sys.executable)
    stack.write_text(stack.read_text().replace("truth: reference", "truht: reference"))
    with pytest.raises(BadFile, match=r"stack\.yaml:4:\d+: error\[bad-value\]: driver 'stdio' needs 'truth'"):
        load_stack(str(stack))
