"""An event loop in a thread of its own, so that plain tests can use what is asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

import pytest

from harness.core.errors import ChatChaosError
from harness.pytest_plugin.outcomes import OURS

T = TypeVar("T")


class Portal:
    """Runs coroutines in its loop and waits for them; close it when done."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chat-chaos", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; what interrupts the wait, as Ctrl-C or a time-out of the test, cancels it."""
        __tracebackhide__ = True
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except (ChatChaosError, pytest.skip.Exception, *OURS) as told:
            raise told.with_traceback(None) from None  # the way through the harness says nothing to its users
        except BaseException:
            future.cancel()
            raise

    def hold(self, context: AbstractAsyncContextManager[T]) -> Held[T]:
        """Enter a context, which stays open until it is released."""
        __tracebackhide__ = True
        return self.call(_enter(context, self))

    def close(self) -> None:
        """Stop the loop and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Held(Generic[T]):
    """An open context with what it gave. One task enters and leaves it, as its time limits and groups demand."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None]
        self.value: T

    def release(self) -> None:
        """Leave the context; raises what its end raises. Harmless when repeated."""
        __tracebackhide__ = True
        self._portal.call(self._released())

    async def enter(self, context: AbstractAsyncContextManager[T]) -> None:
        """Enter the context; raises what its beginning raises."""
        entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._stay(context, entered))
        try:
            self.value = await entered
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait([self._task])
            raise

    async def _stay(self, context: AbstractAsyncContextManager[T], entered: asyncio.Future[T]) -> None:
        try:
            async with context as value:
                entered.set_result(value)
                await self._leave.wait()
        except BaseException as problem:
            if entered.done():
                raise
            entered.set_exception(problem)

    async def _released(self) -> None:
        self._leave.set()
        await self._task


async def _enter(context: AbstractAsyncContextManager[T], portal: Portal) -> Held[T]:
    held: Held[T] = Held(portal)
    await held.enter(context)
    return held
