"""Stack files: found, checked, turned into what launchers and checks use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.places import scenarios_folder
from harness.core.stack import Health, LinkSpec
from harness.engine.session import unsupported
from harness.scenario.diagnostics import BadFile
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack

STACK = """\
version: 1
name: mine
driver: {kind: reference}
capabilities: [groups]
promises: {durability: power_loss, idempotency_window: 1h, retention: forever}
parameters: {flavour: {default: plain}}
services:
  chat:
    health: {http: /healthz, through: "client->chat", within: 10s}
    embedded: {run: ["${python}", -m, chat], env: {FLAVOUR: "${parameters.flavour}", PEER: "${link.chat->db}"}}
    docker: {build: docker/chat, replicas: 2, port: 8080}
  db: {docker: {build: docker/postgres, port: 5432}}
links:
  "client->chat": {per_person: named_in_faults}
  "client->auth": {to: chat}
  "chat->db": {launchers: [docker]}
"""

Refused = Callable[[str, str], list[tuple[str, str, str]]]


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """A stack file in a folder of its own."""
    path = tmp_path / "mine.yaml"
    path.write_text(STACK)
    return path


@pytest.fixture
def refused(stack_file: Path) -> Refused:
    """Return what is said of the stack file with one piece replaced."""

    def complain(old: str, new: str) -> list[tuple[str, str, str]]:
        assert STACK.count(old) == 1
        stack_file.write_text(STACK.replace(old, new))
        with pytest.raises(BadFile) as caught:
            load_stack(str(stack_file))
        return [(f"{item.line}:{item.column}", item.text, item.suggestion) for item in caught.value.diagnostics]

    return complain


def test_a_stack_is_read(stack_file: Path) -> None:
    """Services, links and promises come out with units resolved and defaults filled in."""
    spec = load_stack(str(stack_file))
    assert spec.services["chat"].health == Health("/healthz", "client->chat", 10.0)
    assert spec.services["db"].embedded is None
    assert spec.links["client->auth"] == LinkSpec("client->auth", "client", "chat")
    assert spec.links["client->chat"].per_person
    assert spec.links["chat->db"].launchers == ("docker",)
    assert (spec.promises.idempotency_window_s, spec.promises.retention_s) == (3600.0, float("inf"))
    assert spec.promises.order is None
    assert (spec.driver, spec.driver_options, spec.capabilities) == ("reference", {}, frozenset({"groups"}))


FULL = (
    ("  db: {docker", "    clock: faketime\n  db: {docker"),
    ("links:\n", 'links:\n  "chat->push": {}\n  "chat->texts": {to: push}\n'),
    ("parameters:", "providers: {push: {kind: unipush}}\ncontrol: direct\nparameters:"),
)


@pytest.fixture
def full(stack_file: Path) -> Path:
    """The stack file with a provider, a movable clock and a control port."""
    text = STACK
    for old, new in FULL:
        assert text.count(old) == 1
        text = text.replace(old, new)
    stack_file.write_text(text)
    return stack_file


def test_providers_clocks_and_control(full: Path) -> None:
    """Links lead to a provider by its name; a clock stands still for faults and no control is there unless said."""
    spec = load_stack(str(full))
    assert (spec.providers, spec.control) == ({"push": "unipush"}, "direct")
    assert {name: service.clock for name, service in spec.services.items()} == {"chat": "faketime", "db": "none"}
    assert spec.links["chat->push"] == LinkSpec("chat->push", "chat", "push")
    assert spec.links["chat->texts"].service == "push"


@pytest.mark.parametrize(
    ("old", "new", "text", "hint"),
    [
        ('"chat->push"', '"chat->pusch"', "no service or provider is called 'pusch'", "did you mean 'push'?"),
        ("to: push", "to: posh", "no service or provider is called 'posh'", "did you mean 'push'?"),
        ("faketime", "fake", "'fake' is not possible here: write 'faketime' or 'none'", "did you mean 'faketime'?"),
        (
            "control: direct",
            "control: dirct",
            "'dirct' is not possible here: write 'direct' or 'synapse'",
            "did you mean 'direct'?",
        ),
        ("unipush", "unipsh", "no kind of provider is called 'unipsh'", "did you mean 'unipush'?"),
        ("kind: unipush", "kid: unipush", "'kind' is missing in providers.push", ""),
        (
            "{push: {kind",
            "{db: {kind",
            "'db' is also the name of a service: a link could not tell them apart",
            "",
        ),
    ],
)
def test_mistakes_with_providers(full: Path, old: str, new: str, text: str, hint: str) -> None:
    """What a link or a section names must be there, and be one thing only."""
    full.write_text(full.read_text().replace(old, new))
    with pytest.raises(BadFile) as caught:
        load_stack(str(full))
    assert (text, hint) in [(item.text, item.suggestion) for item in caught.value.diagnostics]


def test_parameters_are_set_from_outside(stack_file: Path) -> None:
    """A parameter has its default until ``--set`` changes it; only declared ones can be set."""
    assert load_stack(str(stack_file)).parameters == {"flavour": "plain"}
    assert load_stack(str(stack_file), parameters={"flavour": "hot"}).parameters == {"flavour": "hot"}
    with pytest.raises(UsageError, match="has no parameter 'flavor'") as caught:
        load_stack(str(stack_file), parameters={"flavor": "hot"})
    assert caught.value.hint == "did you mean 'flavour'?"


def test_stacks_are_found_by_name(stack_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up among the shipped stacks and in the working folder."""
    monkeypatch.chdir(stack_file.parent)
    assert load_stack("reference").source.endswith("reference.yaml")
    assert load_stack("mine").source == "mine.yaml"


@pytest.mark.parametrize("name", ["referense", "nowhere/referense.yaml"])
def test_an_unknown_stack(name: str) -> None:
    """A stack that is not there is answered with one that is."""
    with pytest.raises(UsageError, match="there is no stack") as caught:
        load_stack(name)
    assert caught.value.hint.startswith("did you mean 'reference'?")


@pytest.mark.parametrize(
    ("old", "new", "place", "text", "hint"),
    [
        (
            "kind: reference",
            "kind: ref",
            "3:16",
            "no driver is called 'ref'",
            "known: matrix, python, reference, stdio, tencent, websocket, xmpp",
        ),
        ("[groups]", "groups", "4:15", "expected a list, not 'groups'", ""),
        (
            "forever",
            "'true'",
            "5:71",
            "'true' is not a duration: write a number and ms, s, m or h, like 2s or 250ms, or forever",
            "",
        ),
        (
            'through: "client',
            'through: "clint',
            "9:39",
            "no link is called 'clint->chat'",
            "did you mean 'client->chat'?",
        ),
        ("/healthz", "healthz", "9:20", "'healthz' is not a path of a URL: it starts with '/'", ""),
        ("${python}", "${pyton}", "10:22", "nothing is called '${pyton}'", "did you mean 'python'?"),
        ("${link.chat->db}", "${link.db}", "10:92", "nothing is called '${link.db}'", "did you mean 'link.chat->db'?"),
        ("flavour}", "flavour", "10:61", "'${' is never closed by '}'", ""),
        ("{to: chat}", "{to: chta}", "15:24", "no service is called 'chta'", "did you mean 'chat'?"),
        (
            "client->auth",
            "client-auth",
            "15:3",
            "'client-auth' is not a link: write FROM->TO, as in 'client->chat'",
            "",
        ),
        ('"chat->db":', '"caht->db":', "16:3", "no service is called 'caht'", "did you mean 'chat'?"),
        (
            "{launchers: [docker]}",
            "{per_person: named_in_faults}",
            "16:28",
            "only links that start at 'client' can be made for single people",
            "",
        ),
    ],
)
def test_mistakes_in_a_stack(refused: Refused, old: str, new: str, place: str, text: str, hint: str) -> None:
    """Each mistake is told at its place, with the way out."""
    assert (place, text, hint) in refused(old, new)


def test_an_impossible_promise(refused: Refused) -> None:
    """A promise that does not exist is answered with those that do."""
    assert refused("power_loss", "power_lost") == [
        (
            "5:24",
            "'power_lost' is not possible here: write 'none', 'process_crash' or 'power_loss'",
            "did you mean 'power_loss'?",
        )
    ]


def test_what_another_stack_lacks_is_no_mistake_of_the_scenario(stack_file: Path, tmp_path: Path) -> None:
    """A scenario that is right for its own stack is planned, and says what is absent from the one that was chosen."""
    mine = load_stack(str(stack_file))
    scenario = scenarios_folder() / "push-service-down.chaos.yaml"
    [plan] = load_scenarios([scenario], stack=mine)
    assert plan.absent == ("no provider is called 'push'",)
    assert unsupported(plan, mine, launcher="embedded") == [f"stack mine: {plan.absent[0]}"]
    wrong = tmp_path / "wrong.chaos.yaml"
    wrong.write_text(scenario.read_text().replace("push.reject", "push.rejct"))
    with pytest.raises(BadFile):
        load_scenarios([wrong], stack=mine)
