"""Which faults a launcher has no means for, in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.core.stack import (
    ComposeProject,
    ComposeService,
    ExternalLink,
    ExternalService,
    LinkSpec,
    Promises,
    ServiceSpec,
    StackSpec,
)
from harness.faults.registry import kinds
from harness.stacks.means import lacking

CHAT = ServiceSpec("chat", None, None, external=ExternalService("c:1", "c:1"), compose=ComposeService("chat", 1))
DB = ServiceSpec("db", None, None, compose=ComposeService("db", 1))
LINKS = [
    LinkSpec("client->chat", "client", "chat", per_person=True),
    LinkSpec("chat->db", "chat", "db", external=ExternalLink(proxy="db")),
    LinkSpec("db->chat", "db", "chat"),
    LinkSpec("chat->far", "chat", "far", launchers=("docker",)),
]
STARTED = StackSpec(
    name="both",
    source="both.yaml",
    driver="none",
    driver_options={},
    capabilities=frozenset(),
    promises=Promises(),
    parameters={},
    services={"chat": CHAT, "db": DB, "far": ServiceSpec("far", None, None)},
    links={link.name: link for link in LINKS},
    compose=ComposeProject(("compose.yaml",)),
)
RUNNING = replace(STARTED, compose=ComposeProject(project="theirs"))


def why(launcher: str, kind: str, target: str, spec: StackSpec = STARTED) -> str:
    """Why a fault is unsupported, empty if it is not."""
    return lacking(launcher, spec, kind=kind, targets=kinds()[kind].targets, target=target)


@pytest.mark.parametrize(
    ("launcher", "spec", "with_proxy"),
    [
        ("external", STARTED, {"client->chat", "client:alice->chat", "chat->db"}),
        ("compose", STARTED, {"client->chat", "client:alice->chat", "chat->db", "db->chat"}),
        ("compose", RUNNING, {"client->chat", "client:alice->chat"}),
    ],
)
def test_links_are_disturbed_where_they_have_a_proxy(launcher: str, spec: StackSpec, with_proxy: set[str]) -> None:
    """A link between services of a system that runs already only if its way through the proxy is told."""
    links = ["client->chat", "client:alice->chat", "chat->db", "db->chat", "chat->far"]
    assert {link for link in links if not why(launcher, "network.down", link, spec)} == with_proxy
    assert why(launcher, "network.down", "chat->far", spec) == "link chat->far does not go through a proxy"


def test_processes_are_killed_only_where_they_are_the_runs_own() -> None:
    """A project that the run started; not one that was there, nor a service outside it."""
    assert why("compose", "process.kill", "db") == ""
    assert why("compose", "process.kill", "far") == "process.kill: far is not in the project"
    for launcher, spec in (("external", STARTED), ("compose", RUNNING)):
        assert "service chat runs by itself" in why(launcher, "process.kill", "chat", spec)


@pytest.mark.parametrize("launcher", ["external", "compose"])
def test_devices_always_and_control_never(launcher: str) -> None:
    """A device is simulated anywhere; credentials, limits, clocks and pushes are of programs that are not ours."""
    assert why(launcher, "clock.device", "alice/phone") == ""
    for kind, target in (
        ("clock.server", "chat"),
        ("token.expire", "alice"),
        ("rate_limit.lower", "chat"),
        ("push.reject", "push"),
    ):
        assert why(launcher, kind, target).startswith(f"{kind}: ")
