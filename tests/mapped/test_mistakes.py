"""A wrong mapping is told by its place in the file, or by the field of the first frame that it does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import EnvironmentFault
from harness.drivers.api import Device, Endpoint, Outgoing, Person
from harness.drivers.mapped.driver import make
from harness.drivers.mapped.file import load_mapping
from harness.drivers.mapped.session import MappedSession
from harness.scenario.diagnostics import BadFile
from harness.scenario.stackfile import load_stack

PHONE = Device("alice/phone", "alice", "ios", "1.0.0")
PEOPLE = [Person("alice", "Alice A.", (PHONE,)), Person("bob", "Bob B.", (Device("bob/phone", "bob", "web", "1"),))]

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("old", "new", "place", "told"),
    [
        ("  body: parts[0].text\n", "  bdy: parts[0].text\n", "14:3", "did you mean 'body'?"),
        ("parts[0].text\n", "parts[0.text\n", "14:9", "is not the path of a field"),
        ("message_id: stored.head.id, ", "", "38:3", "'message_id' is missing"),
        ('"${client_message_id}"', '"${client_mesage_id}"', "37:17", "did you mean 'client_message_id'?"),
        ('${body}"', '${body"', "37:68", "'${' is never closed by '}'"),
        ("POST ${auth}/sessions", "FETCH ${auth}/sessions", "23:9", "is no request"),
        ('{op: welcome, seq: "${ref}"}', "{op: welcome, seq: 1, 2: 3}", "31:", "key"),
        ("form: {mail", "json: {a: 1}\n  form: {mail", "18:3", "either 'json' or 'form'"),
        ('"4401"', '"gone"', "32:11", "no close code"),
        ("states: {delivered: 2", "states: {delivered: [2]", "7:", "expected"),
        ("sender_id: head.from", "sender: a\n  sender_id: head.from", "10:3", "either 'sender'"),
    ],
)
def test_a_mistake_in_the_file_has_its_place(mapping: Write, old: str, new: str, place: str, told: str) -> None:
    """Line, column, what is wrong and what to write instead."""
    with pytest.raises(BadFile) as bad:
        load_mapping(mapping((old, new)))
    assert f"pigeon.yaml:{place}" in str(bad.value)
    assert told in str(bad.value)


def test_an_answer_that_could_be_anothers_is_a_mistake(mapping: Write) -> None:
    """Over the live connection an answer has to carry something of its request."""
    sync = '  http: GET ${chat}/inbox\n  query: {after: "${cursor?}"}\n'
    frame = '  frame: {op: fetch, after: "${cursor?}"}\n'
    with pytest.raises(BadFile, match="nothing in 'when' is of the request's own") as bad:
        load_mapping(mapping((sync, frame)))
    assert "'archive' is missing" in str(bad.value)


def test_the_stack_file_and_the_mapping_are_checked_together(mapping: Write, tmp_path: Path) -> None:
    """`chat-chaos validate` loads the stack: a wrong mapping shows there, a missing one at the stack file's line."""
    stack = tmp_path / "stack.yaml"
    stack.write_text(
        "version: 1\nname: pigeon\ndriver: {kind: websocket, mapping: pigeon.yaml}\n"
        'services: {chat: {}}\nlinks: {"client->chat": {}}\n'
    )
    with pytest.raises(BadFile, match=r"pigeon\.yaml: No such file"):
        load_stack(str(stack))
    mapping()
    assert load_stack(str(stack)).driver_options == {"mapping": str((tmp_path / "pigeon.yaml").resolve())}
    mapping(("body: parts", "bodi: parts"))
    with pytest.raises(BadFile, match="did you mean 'body'"):
        load_stack(str(stack))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "token: session.key",
            "token: session.kee",
            "login.answer: `session.kee` is missing: `session` has the fields key",
        ),
        ("user_id: account.number", "user_id: account.id", "register.answer: `account.id` is missing"),
        (
            "{when: {ok: true}, message_id",
            "{when: {okay: true}, message_id",
            "send.answer: `okay` is not as `when` says",
        ),
        (
            "message_id: stored.head.id",
            "message_id: stored.id",
            "send.answer: `stored.id` is missing: `stored` has the fields",
        ),
        ("  body: parts[0].text", "  body: parts", "message: `parts` must be a text or a number: it is a list of 1"),
        ("items: inbox", "items: left", "sync.answer: `left` must be a list"),
        (
            "{op: weather}",
            "{op: wether}",
            "no rule for a frame of the service: it has the fields op, sky (op: weather)",
        ),
        ("when: {op: welcome", "when: {opp: welcome", "`connect.hello.answer` wants `opp`: did you mean `op`?"),
    ],
)
def test_a_mapping_that_does_not_fit_says_which_field(
    pigeon: object, mapping: Write, old: str, new: str, told: str
) -> None:
    """The first frame that a rule does not fit ends the run, naming rule, field and what the frame has instead."""
    http, stream = pigeon.http, pigeon.stream  # type: ignore[attr-defined] - the fixture is another module's
    file = mapping((old, new), ("url: ${chat}/stream", f"url: {stream}/stream"))

    async def scene() -> None:
        driver = make({"mapping": str(file)})
        place = Endpoint(http, http)
        accounts = await driver.provision(PEOPLE, place)
        session = await driver.connect(accounts["alice"], PHONE, place, clock=SystemClock())
        assert isinstance(session, MappedSession)
        try:
            await session.send(Outgoing("c1", "alice+bob", "bob", "text", 0), attempt=1)
            await session.sync(None)
            async with asyncio.timeout(5):
                async for _ in session.incoming():
                    pass
        finally:
            await session.close(abrupt=True)

    with pytest.raises(EnvironmentFault) as wrong:
        asyncio.run(scene())
    assert told in str(wrong.value)
    assert "pigeon.yaml" in str(wrong.value)
