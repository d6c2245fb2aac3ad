"""Plays the scenario of one test and turns its verdict into the outcome of the test."""

from __future__ import annotations

import asyncio

import pytest

from harness.core.errors import NothingSelected, cause_of
from harness.core.plan import ScenarioPlan
from harness.core.verdicts import Verdict
from harness.engine.options import RunOptions
from harness.engine.session import run_session
from harness.engine.stream import Listener
from harness.pytest_plugin import allure_report
from harness.pytest_plugin.collection import SETTINGS, ScenarioItem
from harness.pytest_plugin.evidence import Evidence, again_line
from harness.pytest_plugin.outcomes import Trouble, UnexpectedPass, exception_for
from harness.pytest_plugin.runlog import RunLog


def run_here(plan: ScenarioPlan, options: RunOptions, listener: Listener) -> None:
    """Play one scenario in this process; one that the stack cannot play is told to the listener."""
    try:
        asyncio.run(run_session([plan], options, listener))
    except NothingSelected:
        return
    except BaseExceptionGroup as group:
        raise cause_of(group) from group


def play(item: ScenarioItem) -> None:
    """Play the item's scenario; raises what the verdict stands for, skips what cannot be played."""
    options = item.config.stash[SETTINGS].run_options()
    report = allure_report.of(item.config)
    if report is not None:
        report.describe(item.plan, options)
    log = RunLog()
    item.ihook.pytest_chaos_run(plan=item.plan, options=options, listener=log)
    if log.skipped is not None:
        raise pytest.skip.Exception(log.skipped, _use_item_location=True)
    if log.finished is None:
        raise Trouble(f"{item.plan.id} ended without a verdict")
    result = log.finished.result
    again = again_line(item.path, item.name, options)
    evidence = Evidence(result, log.finished.folder, again, log.finished.elapsed_s)
    evidence.attach_to(item)
    if report is not None:
        report.tell(log, evidence)
    place = f"{item.plan.source}:{item.plan.line}: {item.plan.title}"
    if result.missed and not result.unlisted:
        raise UnexpectedPass(evidence.story(place))
    if result.counts_as is not Verdict.PASS:
        raise exception_for(result.counts_as)(evidence.story(place))
    if result.expected:
        pytest.xfail(evidence.reason)
