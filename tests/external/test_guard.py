"""Giving a run up when an abort condition is met."""

from __future__ import annotations

import asyncio

import pytest

from harness.core.errors import UsageError
from harness.core.stack import AbortRules
from harness.stacks import guard
from harness.stacks.guard import Aborted, guarded

NEVER = AbortRules(None, None, None, None, None)
PATIENCE_S = 10


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than a run does."""
    monkeypatch.setattr(guard, "LOOK_EVERY_S", 0.01)


async def well() -> str:
    """All is well."""
    return ""


async def ill() -> str:
    """Something is wrong, always."""
    return "it does not answer"


class Shaky:
    """Wrong and well in turns."""

    def __init__(self) -> None:
        self.looks = 0
        self.enough = asyncio.Event()

    async def __call__(self) -> str:
        """Look."""
        self.looks += 1
        if self.looks == 10:
            self.enough.set()
        return "it stumbles" if self.looks % 2 else ""


def aborted(rules: AbortRules, **looks: guard.Look) -> str:
    """Why a run that would go on for ever is given up; it has its time to take things back."""
    undone: list[str] = []

    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S):
            try:
                async with guarded(rules, **{"proxies": well, "health": well, **looks}):
                    try:
                        await asyncio.Event().wait()
                    finally:
                        await asyncio.sleep(0.02)
                        undone.append("undone")
            finally:
                undone.append("left")

    with pytest.raises(Aborted) as told:
        asyncio.run(run())
    assert undone == ["undone", "left"]
    return told.value.what


def test_a_run_is_given_up_after_its_time() -> None:
    """The block is cancelled, takes back what it did, and then the reason is told."""
    assert aborted(AbortRules(after_s=0.05)) == "aborted: the time limit of 0.05 s is over"


def test_what_is_wrong_for_too_long_ends_a_run() -> None:
    """Each condition has its own bound; the sentence says what was seen."""
    rules = AbortRules(unhealthy_for_s=0.05, proxy_silent_for_s=60)
    assert aborted(rules, health=ill, proxies=ill).startswith("aborted: it does not answer, for 0.")


def test_what_no_waiting_mends_ends_a_run_at_once() -> None:
    """A proxy that somebody removed does not come back."""

    async def lost() -> str:
        raise Aborted("the proxy is gone")

    assert aborted(AbortRules(), proxies=lost) == "aborted: the proxy is gone"


def test_a_short_trouble_and_conditions_that_are_off_end_nothing() -> None:
    """Only what lasts counts, and `never` means never."""
    shaky = Shaky()

    async def run() -> str:
        async with guarded(AbortRules(unhealthy_for_s=5), proxies=well, health=shaky), asyncio.timeout(PATIENCE_S):
            await shaky.enough.wait()
        async with guarded(NEVER, proxies=ill, health=ill):
            await asyncio.sleep(0.1)
        return "done"

    assert asyncio.run(run()) == "done"


def test_an_error_of_the_run_itself_is_not_hidden() -> None:
    """It comes out as it was raised, not in a group."""

    async def run() -> None:
        async with guarded(AbortRules(), proxies=well, health=well):
            raise UsageError("wrong file")

    with pytest.raises(UsageError, match="wrong file"):
        asyncio.run(run())
