"""What a service of a stack file says for all its forms, and links that are not what they are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.scenario.diagnostics import BadFile
from harness.scenario.stackfile import load_stack

STACK = """\
version: 1
name: mine
driver: {kind: reference}
services:
  chat:
    ports: {plugs: 5347}
    run: [serve, --on, "${host}:${port}", --plugs, "${ports.plugs}"]
    env: {COLOUR: red, PLACE: "${data}"}
    files: {etc/conf: "at ${port}", motd: hello}
    embedded: {env: {COLOUR: blue}, prepare: [[mkdir, "${data}/etc"]]}
    docker: {build: docker/chat, port: 8080, data: /data, run: [start], files: {motd: "good day"}}
  bridge:
    env: {CHAT: "${link.bridge->chat}", OUT: "${link.chat->push}"}
    run: [bridge]
    embedded: {}
    docker: {build: docker/chat}
links:
  "client->chat": {}
  "bridge->chat": {port: plugs}
  "chat->push": {from: bridge}
providers: {push: {kind: unipush}}
"""

Refused = Callable[[str, str], list[str]]


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """The stack file in a folder of its own."""
    path = tmp_path / "mine.yaml"
    path.write_text(STACK)
    return path


@pytest.fixture
def refused(stack_file: Path) -> Refused:
    """Return what is said of the stack file with one piece replaced."""

    def complain(old: str, new: str) -> list[str]:
        assert STACK.count(old) == 1
        stack_file.write_text(STACK.replace(old, new))
        with pytest.raises(BadFile) as caught:
            load_stack(str(stack_file))
        return [f"{item.text} {item.suggestion}".strip() for item in caught.value.diagnostics]

    return complain


def test_forms_add_to_what_the_service_says_and_win(stack_file: Path) -> None:
    """A command of the form's own replaces that of the service; variables and files are added by their names."""
    chat = load_stack(str(stack_file)).services["chat"]
    assert chat.embedded is not None
    assert chat.docker is not None
    assert chat.embedded.run[0] == "serve"
    assert chat.docker.run == ("start",)
    assert (chat.embedded.env, chat.docker.env) == (
        {"COLOUR": "blue", "PLACE": "${data}"},
        {"COLOUR": "red", "PLACE": "${data}"},
    )
    assert (chat.embedded.files["motd"], chat.docker.files["motd"]) == ("hello", "good day")
    assert chat.embedded.files["etc/conf"] == chat.docker.files["etc/conf"] == "at ${port}"


def test_a_link_leads_from_whom_and_to_which_port_it_says(stack_file: Path) -> None:
    """The name stays what scenarios call it."""
    links = load_stack(str(stack_file)).links
    assert (links["bridge->chat"].end, links["client->chat"].end) == ("chat.plugs", "chat")
    assert (links["chat->push"].source, links["chat->push"].service) == ("bridge", "push")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{port: plugs}", "{port: plug}", "no port of the service is called 'plug' did you mean 'plugs'?"),
        ("{from: bridge}", "{from: brige}", "no service is called 'brige' did you mean 'bridge'?"),
        ('"client->chat": {}', '"client->chat": {from: bridge}', "a link that starts at 'client' is the people's own"),
        ('"${ports.plugs}"', '"${ports.plug}"', "nothing is called '${ports.plug}' did you mean 'ports.plugs'?"),
        ('"${data}/etc"', '"${dato}/etc"', "nothing is called '${dato}' did you mean 'data'?"),
        ("    run: [bridge]\n", "", "a local process needs 'run', below 'embedded' or for all forms beside it"),
        (
            " data: /data,",
            "",
            "a container with 'files' needs a folder for them: give 'data' below 'docker'",
        ),
        (
            "    ports: {plugs: 5347}",
            "    ports: {plugs: 5347}\n    compose: {port: 80}",
            "further ports are known only of services that are started as processes or containers",
        ),
    ],
)
def test_mistakes(refused: Refused, old: str, new: str, said: str) -> None:
    """Each is told with what was probably meant."""
    assert refused(old, new) == [said]
