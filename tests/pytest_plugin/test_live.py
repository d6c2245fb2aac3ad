"""The parts of the fixtures that need no stack, and whole tests in Python on a real one."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import EnvironmentFault, UsageError
from harness.core.places import stacks_folder
from harness.engine.folder import RunFolder
from harness.engine.options import RunOptions
from harness.history.ingest import open_history
from harness.pytest_plugin.live.host import Host, refuse_spoiled
from harness.pytest_plugin.live.names import resolved
from harness.pytest_plugin.live.others import log_sizes, take_over, take_over_logs
from harness.pytest_plugin.live.plans import Place, plan_of
from harness.pytest_plugin.live.portal import Portal
from harness.pytest_plugin.live.run import Identity, live_run
from harness.pytest_plugin.outcomes import Trouble
from harness.scenario.stackfile import load_stack
from harness.testing.fakes import FakeLink, FakeStack

PLACE = Place("test-it", Path("test_it.py"), 3)
NAMES = {"alice": "alice-2"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("alice", "alice-2"),
        ("alice/phone", "alice-2/phone"),
        ("client:alice->chat", "client:alice-2->chat"),
        ("client:alice/phone->chat", "client:alice-2/phone->chat"),
        ("client->chat", "client->chat"),
        ("bob", "bob"),
    ],
)
def test_a_test_uses_its_own_names(written: str, meant: str) -> None:
    """Who alice is on a stack that several tests share is nothing that a test has to know."""
    assert resolved(written, NAMES) == meant


def test_a_test_is_a_plan_of_the_engine() -> None:
    """A fault is read as in a file, and everybody gets a way of their own, each of several devices too."""
    people = {"alice": ["phone", "laptop"], "bob": ["phone"]}
    keys = {"kind": "network.latency", "link": "client:alice->chat", "latency": "200ms", "start": {"at": "0s"}}
    plan = plan_of(PLACE, people, load_stack("reference"), ("slow", keys))
    [fault] = plan.faults
    assert fault.id == "slow"
    assert fault.params["latency"] == 0.2
    assert plan.fault_people == {"alice", "alice/phone", "alice/laptop", "bob"}
    assert plan.workloads == ()


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"kind": "network.dwon", "link": "client->chat"}, "did you mean 'network.down'"),
        ({"kind": "network.down", "link": "client:alcie->chat"}, "no person is called 'alcie'; did you mean 'alice'"),
        ({"kind": "network.down", "link": "client->chat", "for": "1"}, "'1' has no unit"),
        ({"kind": "network.latency", "link": "client->chat"}, "needs 'latency'"),
    ],
)
def test_a_mistake_gets_the_sentence_of_a_file(keys: dict[str, object], sentence: str) -> None:
    """What is wrong and what was probably meant, without a traceback through the harness."""
    with pytest.raises(UsageError, match=sentence):
        plan_of(PLACE, {"alice": ["phone"]}, load_stack("reference"), ("cut", {**keys, "start": {"at": "0s"}}))


def test_a_portal_keeps_contexts_open() -> None:
    """A context is entered and left by one task of the loop's own thread, with what it raises handed on."""
    seen: list[tuple[str, object, int]] = []

    @asynccontextmanager
    async def context() -> AsyncIterator[str]:
        async with asyncio.timeout(60):
            seen.append(("in", asyncio.current_task(), threading.get_ident()))
            yield "value"
            seen.append(("out", asyncio.current_task(), threading.get_ident()))

    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        raise UsageError("no")
        yield

    portal = Portal()
    try:
        held = portal.hold(context())
        assert held.value == "value"
        held.release()
        held.release()
        with pytest.raises(UsageError, match="no"):
            portal.hold(failing())
    finally:
        portal.close()
    assert [word for word, *_ in seen] == ["in", "out"]
    assert seen[0][1:] == seen[1][1:]
    assert seen[0][2] != threading.get_ident()


def test_what_outlives_a_test_lends_it_its_record(tmp_path: Path) -> None:
    """Of a provider's events a test gets those of its people and its time, as a whole record of its own run."""
    (tmp_path / "all").mkdir()
    (tmp_path / "own").mkdir()
    devices = ["alice/phone", "alice-2/phone", None, "alice-2/phone"]
    common = {"v": 1, "run": "of-the-stack", "writer": "push-1-1", "wall_ns": 1, "observer": "provider"}
    events = [
        common
        | {"seq": number, "mono_ns": number * 10, "event": "push_sent" if device else "recorder_heartbeat"}
        | ({"device": device} if device else {})
        for number, device in enumerate(devices)
    ]
    lines = [json.dumps(event) for event in events] + ['{"v": 1, "torn']
    (tmp_path / "all" / "push-1-1.jsonl").write_text("\n".join(lines))
    take_over(tmp_path / "all", tmp_path / "own", run="of-the-test", people={"alice-2"}, from_ns=5, to_ns=25)
    with open_history([tmp_path / "own"]) as history:
        assert history.integrity.problems == ()
        found = [(event.run, event.seq, event.event, event.device) for event in history.events()]
    assert found == [
        ("of-the-test", 0, "push_sent", "alice-2/phone"),
        ("of-the-test", 1, "recorder_heartbeat", None),
        ("of-the-test", 2, "writer_closed", None),
    ]


def test_a_test_gets_what_was_logged_while_it_ran(tmp_path: Path) -> None:
    """Of a log that was there before only what came since; of a new one everything; nothing of one that is silent."""
    source, target = tmp_path / "stack", tmp_path / "own"
    source.mkdir()
    target.mkdir()
    (source / "chat.log").write_text("of an earlier test\n")
    (source / "proxy.log").write_text("started\n")
    before = log_sizes(source)
    with (source / "chat.log").open("a") as log:
        log.write("of this test\n")
    (source / "push.log").write_text("started now\n")
    take_over_logs(source, target, before)
    assert {file.name: file.read_text() for file in target.iterdir()} == {
        "chat.log": "of this test\n",
        "push.log": "started now\n",
    }


def test_a_fault_that_stays_ends_the_test_and_keeps_others_from_starting(tmp_path: Path) -> None:
    """The proxy dies while the link is cut: that test is broken, and the next is told which one to look at."""
    stack = FakeStack(load_stack("reference"), {"client->chat": FakeLink("client->chat")}, logs=tmp_path)
    folder = RunFolder.create(tmp_path, "stack")
    nothing: Any = None
    host = Host(stack, nothing, nothing, folder, RunOptions(seed=1, out=tmp_path), key="00" * 32)

    async def live() -> None:
        async with live_run(host, Identity(PLACE, "pytest again")) as run:
            await run.inject("cut", {"kind": "network.down", "link": "client->chat", "start": {"at": "0s"}})
            stack.link("client->chat").dead = True

    refuse_spoiled(host)
    with pytest.raises(Trouble, match="could not be undone"):
        asyncio.run(live())
    with pytest.raises(EnvironmentFault, match="fault cut of test-it could not be undone"):
        refuse_spoiled(host)


@pytest.fixture
def quick(pytester: pytest.Pytester) -> Path:
    """Return a variant of the reference stack that promises delivery within a second, to keep tests short."""
    text = (stacks_folder() / "reference.yaml").read_text()
    path = pytester.path / "quick.yaml"
    path.write_text(text.replace("deliver_within: 3s", "deliver_within: 1s"))
    return path


@pytest.mark.slow
def test_the_documented_example_works(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> None:
    """The example of the documentation, from another folder, two workers with a stack each."""
    shutil.copy(pytestconfig.rootpath / "docs" / "examples" / "test_chat.py", pytester.path)
    result = pytester.runpytest_subprocess("-n", "2", "--dist", "load")
    result.assert_outcomes(passed=6)
    stacks = [path.name for path in (pytester.path / "chat-chaos-runs").glob("*-stack-reference-*")]
    assert sorted(name.split("-")[4] for name in stacks) == ["gw0", "gw1"]


@pytest.mark.slow
def test_a_defect_fails_a_test_with_the_life_of_the_message(pytester: pytest.Pytester, quick: Path) -> None:
    """A crash loses what was acknowledged before it was stored: an assertion, with what a person needs."""
    pytester.makepyfile(
        """
        def test_crash(chaos_people, chaos_inject, chaos_history):
            alice, bob = chaos_people("alice", "bob")
            message = alice.send(bob, "hello")
            assert message.accepted()
            with chaos_inject("process.kill", service="chat"):
                alice.send(bob, "anybody there?")
            chaos_history.check("acked_never_lost")
        """
    )
    result = pytester.runpytest_subprocess("--chaos-stack", quick, "--chaos-mutant", "ack_before_store")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *BrokenPromise: acked_never_lost: message m-*",
            "E * test_a_defect_fails_a_test_with_the_life_of_the_message.py:1: test_crash",
            "E *broken*acked_never_lost*",
            "E *MISSING: *",
            "E *replay*pytest * --chaos-mutant ack_before_store",
            "*chat-chaos timeline*",
            "*fault kill-1: process.kill on chat installed*",
        ]
    )


@pytest.mark.slow
def test_a_text_in_a_log_is_found(pytester: pytest.Pytester, quick: Path) -> None:
    """The defect writes down what comes twice: only the test in which that happened is told of it."""
    pytester.makepyfile(
        """
        def test_a_repeated_send(chaos_people, chaos_inject, chaos_history):
            alice, bob = chaos_people("alice", "bob")
            with chaos_inject("network.downstream_blackhole", link="client:alice->chat"):
                message = alice.send(bob, "for your eyes only")
                assert message.received()
            assert message.accepted(within="20s")
            chaos_history.check("no_leaks")

        def test_silence(chaos_people, chaos_history):
            chaos_people("alice")
            assert chaos_history.result().verdict != "fail"
        """
    )
    result = pytester.runpytest_subprocess("--chaos-stack", quick, "--chaos-mutant", "logs_message_bodies")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E *BrokenPromise: no_leaks: line * of logs/chat.log shows the text of a message*"])


@pytest.mark.slow
def test_a_fault_that_nobody_feels_proves_nothing(pytester: pytest.Pytester, quick: Path) -> None:
    """The promise held, but nobody wrote across the cut: broken in Allure's words, not green and not failed."""
    pytester.makepyfile(
        """
        import pytest

        def test_bitless(chaos_people, chaos_inject, chaos_history):
            alice, bob, carol = chaos_people("alice", "bob", "carol")
            assert alice.send(bob, "hello").received()
            with chaos_inject("network.latency", link="client:carol->chat", latency="1s"):
                assert alice.send(bob, "are you there?").received(by="bob/phone")
            chaos_history.check("acked_never_lost")

        def test_others_are_not_disturbed(chaos_people, chaos_history):
            alice, bob = chaos_people("alice", "bob")
            assert alice.id == "alice-2"
            assert alice.send(bob, "hello").received()
            assert [event.sender for event in chaos_history.events("server_accepted", sender="alice")] == ["alice-2"]
            chaos_history.check("acked_never_lost")
            with pytest.raises(Exception, match="the conversation is over"):
                alice.send(bob, "too late")

        def test_a_slip_of_the_pen(chaos_people, chaos_inject):
            chaos_people("alice")
            chaos_inject("network.down", link="client:alcie->chat")
        """
    )
    result = pytester.runpytest_subprocess("--chaos-stack", quick, "--alluredir", "allure")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.no_fnmatch_line("*/harness/*")
    statuses = sorted(json.loads(file.read_text())["status"] for file in pytester.path.glob("allure/*-result.json"))
    assert statuses == ["broken", "broken", "passed"]
    result.stdout.fnmatch_lines(
        [
            "E *NotProven: fault latency-1 (network.latency on client:carol->chat)*",
            "*did you mean 'alice'*",
        ]
    )


@pytest.mark.slow
def test_scenarios_in_parallel_with_a_defect(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> None:
    """Real scenarios, two workers, a stack for each run, results for Allure; the defect is caught and told."""
    for name in ("server-crash-mid-chat", "connection-reset"):
        shutil.copy(pytestconfig.rootpath / "scenarios" / f"{name}.chaos.yaml", pytester.path)
    result = pytester.runpytest_subprocess("-n", "2", "--alluredir", "allure", "--chaos-mutant", "ack_before_store")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*server-crash-mid-chat.chaos.yaml:*: *", "*MISSING: *", "*again*--chaos-mutant ack*"])
    results = [json.loads(file.read_text()) for file in (pytester.path / "allure").glob("*-result.json")]
    assert {one["fullName"]: one["status"] for one in results} == {
        "server-crash-mid-chat.chaos#server-crash-mid-chat": "failed",
        "connection-reset.chaos#connection-reset": "passed",
    }
    assert all({"baseline", "inject", "quiet", "judge"} <= {step["name"] for step in one["steps"]} for one in results)
