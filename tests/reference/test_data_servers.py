"""The servers that tests of several instances need: missing ones are told, or required."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import EnvironmentFault
from harness.testing.data_servers import find, redis_server, required


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHAT_CHAOS_REQUIRE", raising=False)


@pytest.mark.usefixtures("nothing")
def test_a_missing_server_skips_a_test_with_the_way_to_get_it() -> None:
    """The reason names the package."""
    assert find("redis") is None
    with pytest.raises(pytest.skip.Exception, match="apt-get install redis-server"):
        required("redis")
    with pytest.raises(EnvironmentFault, match="redis-server was not found"), redis_server():
        pass


@pytest.mark.usefixtures("nothing")
def test_a_missing_server_that_is_required_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CHAT_CHAOS_REQUIRE lists it nothing is skipped."""
    monkeypatch.setenv("CHAT_CHAOS_REQUIRE", "docker,redis")
    with pytest.raises(pytest.fail.Exception, match="redis-server"):
        required("redis")
