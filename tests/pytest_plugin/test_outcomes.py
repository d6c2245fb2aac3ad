"""What a verdict becomes, and what is said about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.core.verdicts import Verdict
from harness.pytest_plugin.outcomes import BrokenPromise, NotProven, Trouble, exception_for

Write = Callable[..., Path]
Fake = Callable[..., None]


def test_only_a_broken_promise_is_an_assertion_error() -> None:
    """Allure and others tell the service's fault from the harness's by that."""
    assert issubclass(exception_for(Verdict.FAIL), AssertionError)
    assert exception_for(Verdict.FAIL) is BrokenPromise
    assert exception_for(Verdict.INCONCLUSIVE) is NotProven
    assert exception_for(Verdict.ERROR) is Trouble
    assert not issubclass(NotProven, AssertionError)
    assert not issubclass(Trouble, AssertionError)


def test_verdicts_become_outcomes(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """Only a pass is green; what this stack cannot play is skipped with its reason and the file."""
    for name in ("holds", "breaks", "doubtful", "torn", "beyond"):
        scenario(name)
    fake(breaks="fail", doubtful="inconclusive", torn="error", beyond="unsupported: stack reference has no groups")
    result = pytester.runpytest("-rA")
    result.assert_outcomes(passed=1, failed=3, skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED * beyond.chaos.yaml:2: unsupported: stack reference has no groups",
            "FAILED breaks.chaos.yaml::breaks - BrokenPromise: acked_never_lost: *",
            "FAILED doubtful.chaos.yaml::doubtful - NotProven: fault cut met no *",
            "FAILED torn.chaos.yaml::torn - Trouble: service chat did not start*",
            "chat-chaos: 1 error, 1 fail, 1 inconclusive, 1 pass (again: --chaos-seed *",
        ]
    )


def test_what_is_listed_beforehand_is_expected(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """As a strict xfail: what shows is no failure, and what always shows may not stay away."""
    for name in ("shows", "stays-away", "may-stay-away"):
        scenario(name)
    fake(**{"shows": "fail known always", "stays-away": "pass known always", "may-stay-away": "pass known 3/7"})
    result = pytester.runpytest("-rA")
    result.assert_outcomes(passed=1, failed=1, xfailed=1)
    result.stdout.fnmatch_lines_random(
        [
            "XFAIL shows.chaos.yaml::shows - late: It is late. (docs)",
            "FAILED stays-away.chaos.yaml::stays-away - UnexpectedPass: late did not show*",
            "chat-chaos: 1 fail (expected), 1 pass, 1 pass (unexpected) (again: *",
        ]
    )


def test_a_failure_says_what_to_do_about_it(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """The place, the promise, the witness, the folder and both ways to see it again; no frame of the harness."""
    scenario("lift", matrix="cut: [1s]")
    fake(lift="fail")
    result = pytester.runpytest("--chaos-seed", "7", "--chaos-mutant", "ack_before_store")
    result.stdout.fnmatch_lines(
        [
            "acked_never_lost: message m-1 was acknowledged and is missing",
            "lift.chaos.yaml:2: The lift has no signal",
            "FAIL * lift?cut=1s?  1.5 s, seed 7, mutant ack_before_store",
            "*broken*acked_never_lost*1 of 9 examined",
            "*promised: What was acknowledged*",
            "*but message m-1 was acknowledged and is missing",
            "*fault*cut*network.down on client:alice->chat*3 in flight",
            "*folder*chat-chaos-runs/lift-main-1s",
            "*replay*chat-chaos run it",
            "*again*pytest 'lift.chaos.yaml::lift?cut=1s?' --chaos-seed 7 --chaos-mutant ack_before_store",
            "*chat-chaos log of chat*",
            "the last words of the service",
        ]
    )
    for inner in ("*harness/*", "*Traceback*", "*hidden*"):
        result.stdout.no_fnmatch_line(inner)


def test_the_harness_shows_itself_when_asked(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """``--tb=long`` has the frames too."""
    scenario("lift")
    fake(lift="fail")
    pytester.runpytest("--tb=long").stdout.fnmatch_lines(["*pytest_plugin/playing.py:*: BrokenPromise"])


def test_what_a_user_can_mend_is_no_traceback(pytester: pytest.Pytester, scenario: Write) -> None:
    """An error of the surroundings that ends the session of the run is told in its sentence."""
    scenario("lift")
    pytester.makeconftest(
        "from harness.core.errors import EnvironmentFault\n"
        "def pytest_chaos_run(plan): raise EnvironmentFault('no port is free', hint='end some programs')\n"
    )
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["no port is free", "  end some programs"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_run_without_a_verdict_is_not_green(pytester: pytest.Pytester, scenario: Write) -> None:
    """A hook that says nothing has proven nothing."""
    scenario("lift")
    pytester.makeconftest("def pytest_chaos_run(plan): return True\n")
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*lift ended without a verdict*"])


def test_reports_carry_plain_data(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """Seed, stack, folder and verdict are on the report as JSON-able properties; texts are its sections."""
    scenario("lift")
    fake(lift="inconclusive")
    reports = pytester.inline_run("--chaos-seed", "7").getreports("pytest_runtest_logreport")
    [report] = [one for one in reports if one.when == "call"]
    known = dict(report.user_properties)
    assert json.loads(json.dumps(report.user_properties)) == [list(pair) for pair in report.user_properties]
    assert known["chaos_verdict"] == "inconclusive"
    assert known["chaos_seed"] == 7
    assert known["chaos_stack"] == known["chaos_run"].replace("lift-main-", "reference")
    assert "chat-chaos log of chat" in {
        title.removesuffix(" call").removeprefix("Captured ") for title, _ in report.sections
    }


def test_junit_has_the_properties(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """``--junitxml`` tells the verdict, the seed and where the evidence lies."""
    scenario("lift", matrix="cut: [1s]")
    fake(lift="fail")
    pytester.runpytest("--junitxml", "junit.xml", "--chaos-seed", "7")
    [case] = ET.parse(pytester.path / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    properties = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert case.get("name") == "lift[cut=1s]"
    assert properties["chaos_seed"] == "7"
    assert properties["chaos_verdict"] == "fail"
    [failure] = case.iter("failure")
    assert str(failure.get("message")).startswith("BrokenPromise: acked_never_lost: message m-1")
