"""What stands for ``${...}`` in a stack file."""

from __future__ import annotations

import pytest

from harness.core.errors import UsageError
from harness.stacks.filling import fill, placeholders

KNOWN = {"port": "8080", "link.client->chat": "127.0.0.1:9", "parameters.version": "1"}


def test_names_are_replaced_everywhere_in_the_text() -> None:
    """Names may contain arrows and dots, and stand beside other text."""
    text = "http://${link.client->chat}/v${parameters.version}?home=${env.HOME_OF_TEST}&p=${port}"
    filled = fill(text, KNOWN, environment={"HOME_OF_TEST": "/h"}, where="here")
    assert filled == "http://127.0.0.1:9/v1?home=/h&p=8080"
    assert placeholders(text) == ["link.client->chat", "parameters.version", "env.HOME_OF_TEST", "port"]


def test_what_was_filled_in_is_not_filled_again() -> None:
    """A value that looks like a placeholder is data."""
    assert fill("${env.A}", KNOWN, environment={"A": "${port}"}, where="here") == "${port}"


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("${prot}", "env.PORT of service chat: ${prot} stands for nothing", "did you mean ${port}?"),
        ("${link.client->chta}", "${link.client->chta}", "did you mean ${link.client->chat}?"),
        ("${zzz}", "${zzz}", "known: link.client->chat, parameters.version, port, env.NAME"),
        ("${env.SECRET}", "the environment variable SECRET is not set", "export SECRET="),
    ],
)
def test_an_unknown_name_is_told_with_the_way_out(text: str, what: str, hint: str) -> None:
    """The sentence names place and name, the hint the nearest known one."""
    with pytest.raises(UsageError) as told:
        fill(text, KNOWN, environment={}, where="env.PORT of service chat")
    assert what in told.value.what
    assert hint in told.value.hint
