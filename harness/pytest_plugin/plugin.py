"""Entry point ``pytest11``: what pytest calls. Everything heavy is imported when a scenario is found or played."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import ChatChaosError
from harness.pytest_plugin import fixtures, guard, hooks
from harness.pytest_plugin.collection import SETTINGS, ScenarioFile, ScenarioItem, is_scenario
from harness.pytest_plugin.controller import Controller
from harness.pytest_plugin.settings import add_options, read_settings

if TYPE_CHECKING:
    from harness.core.plan import ScenarioPlan
    from harness.engine.options import RunOptions
    from harness.engine.stream import Listener

MARKS = (
    "chaos: a scenario of chat-chaos, or a test that disturbs a stack",
    "fault(kind): a scenario with a fault of this kind",
    "matrix(**axes): one entry of a scenario's matrix",
)
GUARD: pytest.StashKey[guard.Guard] = pytest.StashKey()
SOUND: pytest.StashKey[bool] = pytest.StashKey()
"""On an item: the process was sound when it began."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--chaos-*`` and the ini keys."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare ``pytest_chaos_run``."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Read the choices and register marks and fixtures."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    config.stash[SETTINGS] = read_settings(config)
    config.pluginmanager.register(fixtures, "chat-chaos-fixtures")
    if not hasattr(config, "workerinput"):
        _check_choices(config)
        config.pluginmanager.register(Controller(config), "chat-chaos-controller")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the process as it was."""
    if GUARD in config.stash:
        config.stash[GUARD].remove()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed of the session to a worker of pytest-xdist."""
    node.workerinput["chaos_seed"] = node.config.stash[SETTINGS].seed


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take scenario files."""
    if not is_scenario(file_path, parent.config):
        return None
    collector: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return collector


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let what is wrong with a file survive the way from a worker."""
    report = yield
    if isinstance(collector, ScenarioFile) and collector.diagnostics:
        vars(report)["chaos_diagnostics"] = collector.diagnostics
    return report


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests in Python that use our fixtures."""
    if not isinstance(item, ScenarioItem) and fixtures.NAMES.intersection(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.chaos)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Guard a session that has chaos tests."""
    if any(item.get_closest_marker("chaos") for item in session.items):
        session.config.stash[GUARD] = guard.Guard()
        session.config.stash[GUARD].put()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run nothing in a process that is damaged."""
    _fail_if_damaged(item.config)
    item.stash[SOUND] = True


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail the test that did the damage."""
    if SOUND in item.stash:
        _fail_if_damaged(item.config)


@pytest.hookimpl(trylast=True)
def pytest_chaos_run(plan: ScenarioPlan, options: RunOptions, listener: Listener) -> bool:
    """Play the scenario in this process, unless somebody else has."""
    from harness.pytest_plugin.playing import run_here  # noqa: PLC0415 - the engine is loaded when something runs

    run_here(plan, options, listener)
    return True


def _fail_if_damaged(config: pytest.Config) -> None:
    if GUARD in config.stash and (reason := guard.damage()):
        pytest.fail(reason, pytrace=False)


def _check_choices(config: pytest.Config) -> None:
    settings = config.stash[SETTINGS]
    if settings.launcher is settings.proxy is settings.mutant is None:
        return
    from harness.engine.session import check_choices  # noqa: PLC0415 - only to check what somebody chose

    try:
        check_choices(settings.run_options())
    except ChatChaosError as problem:
        raise pytest.UsageError(str(problem)) from None
