"""The fixtures ``chaos_*`` for tests in Python; what they do is imported when one of them is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.pytest_plugin.live.handles import HistoryHandle, InjectHandle, ProxyHandle, StackHandle
    from harness.pytest_plugin.live.people import PeopleHandle
    from harness.pytest_plugin.live.sessions import Stacks, TestRun

NAMES = frozenset({"chaos_stack", "chaos_people", "chaos_inject", "chaos_history", "chaos_proxy"})


@pytest.fixture(scope="session")
def _chaos_stacks(pytestconfig: pytest.Config) -> Iterator[Stacks]:
    """One stack for all tests of this process: with pytest-xdist, one per worker."""
    from harness.pytest_plugin.live.sessions import stacks  # noqa: PLC0415 - only sessions with such tests pay for it

    with stacks(pytestconfig) as found:
        yield found


@pytest.fixture
def _chaos_run(_chaos_stacks: Stacks, request: pytest.FixtureRequest) -> Iterator[TestRun]:
    """What one test does on the stack, in a run folder of its own."""
    with _chaos_stacks.run(request.node) as run:
        yield run


@pytest.fixture(scope="session")
def chaos_stack(_chaos_stacks: Stacks) -> StackHandle:
    """A running stack behind its proxies (--chaos-stack, else the reference backend), one for each worker."""
    return _chaos_stacks.handle


@pytest.fixture
def chaos_people(_chaos_run: TestRun) -> PeopleHandle:
    """Connected people, to be called with their names.

    ``alice, bob = chaos_people("alice", "bob")``
    """
    return _chaos_run.people


@pytest.fixture
def chaos_inject(_chaos_run: TestRun) -> InjectHandle:
    """A fault, applied when called and undone at the end.

    ``with chaos_inject("network.down", link="client:alice->chat", for_="1s"): ...``
    """
    return _chaos_run.inject


@pytest.fixture
def chaos_history(_chaos_run: TestRun) -> HistoryHandle:
    """What has been recorded, and its judgement.

    ``chaos_history.check("acked_never_lost")``
    """
    return _chaos_run.history


@pytest.fixture
def chaos_proxy(_chaos_run: TestRun) -> Iterator[ProxyHandle]:
    """Call it with a link to get its ``toxiproxy.Proxy``; what was done to it is undone after the test."""
    yield _chaos_run.proxy
    _chaos_run.proxy.restore()
