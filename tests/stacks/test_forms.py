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
