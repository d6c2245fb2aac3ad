"""What of a stack each launcher starts."""

from __future__ import annotations

import pytest

from harness.scenario.stackfile import load_stack
from harness.stacks.means import lacking


@pytest.mark.parametrize(
    ("launcher", "targets", "target", "says"),
    [
        ("embedded", "service", "chat", ""),
        ("embedded", "service", "db", "the embedded launcher starts no db for stack reference"),
        ("embedded", "service", "chat.1", "the embedded launcher starts 1 of chat, so no chat.1"),
        ("embedded", "service", "chat.2", "the embedded launcher starts 1 of chat, so no chat.2"),
        ("embedded", "link", "chat->db", "the embedded launcher has no link chat->db"),
        ("embedded", "link", "client:alice->chat", ""),
        ("embedded", "link", "chat->push", ""),
        ("embedded", "person", "alice", ""),
        ("docker", "service", "db", ""),
        ("docker", "service", "chat.2", ""),
        ("docker", "service", "chat.3", "the docker launcher starts 2 of chat, so no chat.3"),
        ("docker", "link", "chat->db", ""),
        ("docker", "link", "chat->push", ""),
    ],
)
def test_a_target_that_a_launcher_does_not_start_is_told(launcher: str, targets: str, target: str, says: str) -> None:
    """A fault on it would be an error in the midst of a run; so the scenario is skipped with the reason."""
    spec = load_stack("reference")
    assert lacking(launcher, spec, kind="any.kind", targets=targets, target=target) == says


def test_a_clock_is_moved_only_where_the_stack_file_says_so() -> None:
    """Of a service that cannot bear it, or of one replica alone, a moved clock is unsupported with the reason."""
    stack = load_stack("reference")
    why = {
        service: lacking("docker", stack, kind="clock.server", targets="service", target=service)
        for service in ("chat", "chat.1", "cache")
    }
    assert [service for service, reason in why.items() if "does not say `clock: faketime`" in reason] == [
        "chat.1",
        "cache",
    ]


def test_some_faults_need_containers_and_some_a_disk() -> None:
    """They are unsupported elsewhere, and where people are at the link's beginning or a service keeps no data."""
    stack = load_stack("reference")

    def why(launcher: str, kind: str, targets: str, target: str) -> str:
        return lacking(launcher, stack, kind=kind, targets=targets, target=target)

    assert "only the docker launcher" in why("embedded", "resource.cpu", "service", "chat")
    assert why("docker", "network.partition", "link", "chat->db") == ""
    assert "in no container" in why("docker", "network.partition", "link", "client->chat")
    assert why("docker", "process.power_loss", "service", "db") == ""
    assert "names no folder `data`" in why("docker", "storage.full", "service", "chat")
