"""What of a stack file is started in Docker, and where its links lead, without an engine."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.scenario.stackfile import load_stack
from harness.stacks.docker_files import archive_of
from harness.stacks.docker_plan import plan_of

NOBODY: frozenset[str] = frozenset()


def test_a_link_to_a_further_port_comes_from_whom_the_file_says() -> None:
    """Prosody's push service is its component, and is the one that calls the provider."""
    plan = plan_of(load_stack("prosody"), NOBODY, None)
    link = plan.links["chat->push-service"]
    assert (link.service, plan.ports[link.end], plan.ports["chat"]) == ("chat", 5347, 5222)
    assert plan.links["chat->push"].source == "push-service"
    assert plan.programs["push-service"].port == 8080


def test_a_link_to_a_service_that_listens_nowhere_is_a_mistake(tmp_path: Path) -> None:
    """Found before anything is made."""
    text = Path(load_stack("prosody").source).read_text()
    mine = tmp_path / "mine.yaml"
    deaf = text.replace("docker: {build: docker/chat, port: 8080}", "docker: {build: docker/chat}")
    assert deaf != text
    mine.write_text(deaf.replace("to: chat, port: components", "to: push-service"))
    with pytest.raises(UsageError, match=re.escape("push-service, which listens on no port in Docker")):
        plan_of(load_stack(str(mine)), NOBODY, None)


def test_files_come_with_their_folders() -> None:
    """Whoever the service runs as reads them, and may write beside them."""
    with tarfile.open(fileobj=io.BytesIO(archive_of({"conf": "a\u00e4", "deep/er/file": "b"}))) as tar:
        assert [(each.name, oct(each.mode), each.isdir()) for each in tar] == [
            ("deep", "0o777", True),
            ("deep/er", "0o777", True),
            ("conf", "0o644", False),
            ("deep/er/file", "0o644", False),
        ]
        content = tar.extractfile("conf")
        assert content is not None
        assert content.read() == "a\u00e4".encode()
