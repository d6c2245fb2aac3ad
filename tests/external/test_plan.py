"""What a run against a system that runs already may do, settled before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.stack import StackSpec
from harness.scenario.diagnostics import BadFile
from harness.scenario.stackfile import load_stack
from harness.stacks.external_plan import ExternalPlan, Way, plan_of

STACK = """
version: 1
name: staging
driver: {kind: reference}
parameters:
  host: {default: chat.test.example}
external:
  toxiproxy: http://toxi.test.example:8474
  allow: [chat.test.example, toxi.test.example, chat]
services:
  chat:
    health: {http: /healthz, through: "client->chat", within: 5s}
    external: {address: "${parameters.host}:8080", upstream: "chat:80"}
  db: {}
links:
  "client->chat": {per_person: named_in_faults}
  "chat->db": {external: {proxy: chat-db}}
"""

NO_SERVER = ("  toxiproxy: http://toxi.test.example:8474\n", "")
FAR_LISTENER = '{proxy: chat-db}}\n  "client->auth": {to: chat, external: {listen: "far.example:1"}'
OWN = "{per_person: named_in_faults}"


def spec(tmp_path: Path, *replacements: tuple[str, str], **parameters: str) -> StackSpec:
    """The stack with some of its text replaced."""
    text = STACK
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "staging.yaml"
    path.write_text(text)
    return load_stack(str(path), parameters=parameters)


def plan(stack: StackSpec, *people: str) -> ExternalPlan:
    """Its plan for a run in which faults name some people."""
    return plan_of(stack, launcher="external", run="r1", people=frozenset(people), environment={})


def refusal(stack: StackSpec, *people: str) -> str:
    """Why a stack must not be played."""
    with pytest.raises(UsageError) as told:
        plan(stack, *people)
    return told.value.what


def test_a_plan_has_a_way_for_each_edge(tmp_path: Path) -> None:
    """Clients get new proxies at the proxy server's host, also a person of their own; the proxy that is there stays."""
    made = plan(spec(tmp_path), "alice")
    listen = "toxi.test.example:0"
    assert made.ways == {
        "client->chat": Way("r1.client.chat", listen, "chat:80"),
        "client:alice->chat": Way("r1.client~alice.chat", listen, "chat:80"),
        "chat->db": Way("chat-db"),
    }
    assert str(made.services["chat"]) == "chat.test.example:8080"


def test_without_a_proxy_server_one_of_the_run_is_used(tmp_path: Path) -> None:
    """Its proxies listen on loopback, and links between services have no way."""
    made = plan(spec(tmp_path, NO_SERVER, (" {external: {proxy: chat-db}}", " {}")))
    assert made.toxiproxy is None
    assert made.ways == {"client->chat": Way("r1.client.chat", "127.0.0.1:0", "chat:80")}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("chat.test.example, ", "", "address of service chat is at chat.test.example:8080"),
        (", toxi.test.example", "", "the proxy server is at toxi.test.example:8474"),
        (", chat]", "]", "upstream of service chat is at chat:80"),
        (
            "{proxy: chat-db}",
            '{proxy: chat-db}}\n  "client->auth": {to: chat, external: {listen: "far.example:1"}',
            "far.example",
        ),
    ],
)
def test_a_host_that_is_not_allowed_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Every address that the run would meet is looked at: services, upstreams, the proxy server and its listeners."""
    why = refusal(spec(tmp_path, (old, new)))
    assert said in why
    assert "is not one that this stack may meet" in why


def test_the_command_line_cannot_widen_the_list(tmp_path: Path) -> None:
    """A parameter may move an address, but not past the list; and the list itself takes no parameters."""
    assert "host 'prod.example'" in refusal(spec(tmp_path, host="prod.example"))
    with pytest.raises(BadFile) as told:
        spec(tmp_path, ("toxi.test.example, chat]", "toxi.test.example, '${parameters.host}']"))
    assert "is no host" in str(told.value)


def test_names_are_compared_as_names_are(tmp_path: Path) -> None:
    """Case and a final dot make no difference; this machine's loopback needs no listing."""
    plan(spec(tmp_path, host="Chat.Test.Example."))
    for local in ("localhost", "127.0.0.3"):
        plan(spec(tmp_path, host=local))
    assert "is not one" in refusal(spec(tmp_path, host="localhost.example"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("http://toxi", "https://toxi", "is no address of a proxy server"),
        (
            "  toxiproxy: http://toxi.test.example:8474\n",
            "",
            "proxy chat-db is on a proxy server whose address is missing",
        ),
        ('{address: "${parameters.host}:8080", upstream: "chat:80"}', "{address: chat}", "missing port in address"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """The sentence names the part of the stack file."""
    assert said in refusal(spec(tmp_path, (old, new)))


def test_a_person_cannot_share_a_fixed_port(tmp_path: Path) -> None:
    """A fault that names a person needs a second proxy, which cannot listen on the same port."""
    fixed = spec(
        tmp_path, ("{per_person: named_in_faults}", '{per_person: named_in_faults, external: {listen: ":20000"}}')
    )
    assert plan(fixed).ways["client->chat"].listen == ":20000"
    assert "client:alice->chat needs a proxy of its own" in refusal(fixed, "alice")


def test_a_service_that_people_talk_to_needs_an_address(tmp_path: Path) -> None:
    """Also where its proxy is there already: accounts and the oracle go past every proxy."""
    bare = ('    external: {address: "${parameters.host}:8080", upstream: "chat:80"}\n', "")
    used = (OWN, "{external: {proxy: front}}")
    somewhere = ("  db: {}", '  db: {external: {address: "localhost:5432"}}')
    assert "service chat has no address" in refusal(spec(tmp_path, bare, used, somewhere))
    assert "no service that runs already" in refusal(spec(tmp_path, bare, used))
