"""The push worker: tells a provider of messages for devices that are not there, again and again until it is taken.

Whatever becomes of a push, the message stays what it is: stored, and on its device with the next sync.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from enum import Enum
from weakref import WeakValueDictionary

from harness.reference.log import Log
from harness.reference.push_store import Job, PushStore, Turn
from harness.reference.sessions import Key, Sessions
from harness.reference.storage import StorageFailed

AT_ONCE = 32
MAX_ATTEMPTS = 8
FIRST_DELAY_S = 0.2
MAX_DELAY_S = 5.0
JITTER = 0.25
"""Share of a delay that chance takes away; below a half, so that each delay is longer than the one before."""

LEAVE_WITHIN_S = 0.5
GRACE_MS = 500
"""Another instance has so long to hand a message to a device that it is said to have."""
AGAIN_MS = 200
"""Until the database, or the turn of a token, is asked for again."""
TOO_MANY, GONE, OK_BELOW, SERVER_ERROR = 429, 410, 300, 500


class Fate(Enum):
    """What becomes of a push after an answer."""

    TAKEN = "push_sent"
    RETRY = "push_failed"
    REFUSED = "push_refused"
    UNREGISTERED = "push_token_dropped"


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer; without a ``status`` there was none in time."""

    status: int | None = None
    retry_after_s: float = 0.0


class PushWorker:
    """Carries jobs to the provider at ``url``, each token's one after the other."""

    def __init__(self, store: PushStore, sessions: Sessions, log: Log, url: str | None) -> None:
        self._store = store
        self._sessions = sessions
        self._log = log
        self._url = url
        self._ask: Callable[[Job], Awaitable[Answer]] = _nobody
        self._open = AsyncExitStack()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._carried: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the way to the provider."""
        if self._url is None:
            return
        # A service without push starts a quarter of a second faster without an HTTP client.
        from harness.reference.push_client import PushClient  # noqa: PLC0415

        client = PushClient(self._url)
        self._open.push_async_callback(client.close)
        self._ask = client.ask

    async def stop(self) -> None:
        """Let go of everything; the jobs are on disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._open.aclose()
        if self._url is not None:
            with suppress(StorageFailed, TimeoutError):
                await asyncio.wait_for(self._store.leave(), LEAVE_WITHIN_S)

    async def adopt(self) -> None:
        """Go on with the jobs that an earlier process, or another one that is gone, has left."""
        if self._url is not None:
            for job in await self._store.adopt(self._carried):
                self._begin(job)

    def take(self, jobs: Sequence[Job]) -> None:
        """Take on a message's jobs, but for devices that have just got it live."""
        needless = {(job.user, job.device) for job in jobs if self._sessions.reaches((job.user, job.device))}
        for job in jobs:
            key = (job.user, job.device)
            if key not in needless:
                self._begin(replace(job, wait_ms=GRACE_MS if key in self._sessions.elsewhere() else 0))
        if needless:
            self.needless(jobs[0].message_id, needless)

    def needless(self, message_id: str, keys: Collection[Key]) -> None:
        """Forget the pushes of a message for devices that got it live."""
        self._keep(asyncio.create_task(self._insist(lambda: self._store.needless(message_id, keys))))

    def _begin(self, job: Job) -> None:
        if job.id not in self._carried:
            self._carried.add(job.id)
            task = asyncio.create_task(self._carry(job))
            task.add_done_callback(lambda _: self._carried.discard(job.id))
            self._keep(task)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (cause := task.exception()) is not None:
            self._log("push_worker_failed", cause=type(cause).__name__)  # its job is on disk for the next start

    async def _carry(self, job: Job) -> None:
        waiting: Job | None = job
        while waiting is not None:
            await asyncio.sleep(waiting.wait_ms / 1000)
            # One at a time: a second push under way could reach the provider after it has told that the token is gone.
            async with self._turns.setdefault(job.token, asyncio.Lock()):
                waiting = await self._attempt(waiting)

    async def _attempt(self, job: Job) -> Job | None:
        async with self._room:
            try:
                turn = await self._store.begin(job)
            except StorageFailed:
                turn = Turn.LATER
            if turn is not Turn.OURS:
                return replace(job, wait_ms=AGAIN_MS) if turn is Turn.LATER else None
            answer = await self._ask(job)
        fate = self.fate(answer)
        self._note(job, answer, fate)
        later: Job | None = None
        if fate is Fate.RETRY and job.failures + 1 < MAX_ATTEMPTS:
            delay_ms = round(self.delay_s(job.failures, answer) * 1000)
            later = replace(job, failures=job.failures + 1, wait_ms=delay_ms)
        await self._insist(lambda: self._settle(job, later, fate))
        return later

    async def _settle(self, job: Job, later: Job | None, fate: Fate) -> None:
        if later is not None:
            await self._store.postpone(later)
            return
        if fate is Fate.UNREGISTERED:
            await self._store.drop(job)
        await self._store.finish(job)

    async def _insist(self, write: Callable[[], Awaitable[None]]) -> None:
        # An answer that was forgotten would have the push made again, maybe to a token that is gone.
        while True:
            try:
                await write()
            except StorageFailed:
                await asyncio.sleep(AGAIN_MS / 1000)
            else:
                return

    def fate(self, answer: Answer) -> Fate:
        """Tell what an answer means for its push: only what may pass is tried again."""
        if answer.status is None or answer.status == TOO_MANY or answer.status >= SERVER_ERROR:
            return Fate.RETRY
        if answer.status == GONE:
            return Fate.UNREGISTERED
        return Fate.TAKEN if answer.status < OK_BELOW else Fate.REFUSED

    def delay_s(self, failures: int, answer: Answer) -> float:
        """Return the seconds to wait after one more failure: doubling, jittered, never below ``Retry-After``."""
        backoff_s = min(MAX_DELAY_S, math.ldexp(FIRST_DELAY_S, failures))
        jittered_s = backoff_s * (1 - JITTER * random.random())  # noqa: S311 - spreads retries, guards nothing
        return max(jittered_s, answer.retry_after_s)

    def _note(self, job: Job, answer: Answer, fate: Fate) -> None:
        self._log(
            fate.value,
            message_id=job.message_id,
            conversation_id=job.conversation_id,
            recipient=job.user,
            device=job.device,
            attempt=job.failures + 1,
            http_status=answer.status,
        )


async def _nobody(_: Job) -> Answer:
    return Answer()
