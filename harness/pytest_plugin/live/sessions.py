"""Brings stacks and runs up for fixtures and takes them down again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.core.errors import ChatChaosError
from harness.engine.options import RunOptions
from harness.pytest_plugin.collection import SETTINGS
from harness.pytest_plugin.evidence import again_line
from harness.pytest_plugin.live.handles import HistoryHandle, InjectHandle, ProxyHandle, StackHandle
from harness.pytest_plugin.live.host import Host, refuse_spoiled, running
from harness.pytest_plugin.live.people import PeopleHandle
from harness.pytest_plugin.live.plans import Place
from harness.pytest_plugin.live.portal import Portal
from harness.pytest_plugin.live.run import Identity, LiveRun, live_run
from harness.pytest_plugin.outcomes import Trouble
from harness.report.places import near


class Stacks:
    """The stack of one pytest process and the portal through which tests use it."""

    def __init__(self, host: Host, portal: Portal) -> None:
        self.handle = StackHandle(host, portal)
        self._host = host
        self._portal = portal

    @contextmanager
    def run(self, item: pytest.Item) -> Iterator[TestRun]:
        """Begin the run of a test; everything that it left in place is undone at the end."""
        __tracebackhide__ = True
        with told():
            refuse_spoiled(self._host)
            held = self._portal.hold(live_run(self._host, _identity(item, self._host.options)))
        try:
            yield TestRun(held.value, self._portal, item)
        finally:
            with told():
                held.release()


class TestRun:
    """The handles of one test."""

    __test__ = False

    def __init__(self, run: LiveRun, portal: Portal, item: pytest.Item) -> None:
        self.people = PeopleHandle(run, portal)
        self.inject = InjectHandle(run, portal)
        self.history = HistoryHandle(run, portal, item)
        self.proxy = ProxyHandle(run)


@contextmanager
def stacks(config: pytest.Config) -> Iterator[Stacks]:
    """Start the stack that was chosen, for this process."""
    __tracebackhide__ = True
    portal = Portal()
    try:
        with told():
            held = portal.hold(running(config.stash[SETTINGS].run_options()))
        try:
            yield Stacks(held.value, portal)
        finally:
            with told():
                held.release()
    finally:
        portal.close()


@contextmanager
def told() -> Iterator[None]:
    """Tell what a user can mend in a sentence, as a test that is broken and not failed."""
    __tracebackhide__ = True
    try:
        yield
    except ChatChaosError as problem:
        raise Trouble(str(problem)) from None


def _identity(item: pytest.Item, options: RunOptions) -> Identity:
    line = item.location[1]
    # The name becomes part of the names of folders and proxies.
    name = "".join(char if char.isalnum() else "-" for char in item.name.lower())[:_LONGEST].strip("-")
    inside = item.nodeid.partition("::")[2]
    return Identity(Place(name, Path(near(item.path)), (line or 0) + 1), again_line(item.path, inside, options))


_LONGEST = 40
