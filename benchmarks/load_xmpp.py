"""Our XMPP driver as a load side; what to play comes as one JSON document on stdin.

Everybody logs in, writes to the other of their pair at set times, is open to what comes, and leaves when all has come.
Writes one line of JSON for each message: its name, what became of its send, and whether it came.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from harness.core.clock import SystemClock
from harness.drivers.api import Accepted, Account, Delivered, Device, Endpoint, Outgoing, Refused, Session, Unknown
from harness.drivers.xmpp.driver import make
from harness.swarm.loop import make_loop
from harness.swarm.process import COLLECTED_AFTER

DIALS_AT_ONCE = 8
LAST_COMES_WITHIN_S = 5.0


class Known:
    """What is known of each message, by its name; ``complete`` once all have come."""

    def __init__(self, messages: int) -> None:
        self.outcomes: dict[str, str] = {}
        self.came: set[str] = set()
        self.complete = asyncio.Event()
        self._messages = messages

    def comes(self, name: str) -> None:
        """Take note of a message that came."""
        self.came.add(name)
        if len(self.came) == self._messages:
            self.complete.set()


async def connected(user: str, password: str, task: Mapping[str, Any], gate: asyncio.Semaphore) -> Session:
    """Log in; it must work."""
    driver, at = make({"domain": task["domain"]}), Endpoint(task["address"], task["address"])
    phone = Device(f"{user}/phone", user, "android", "1.0.0")
    async with gate:
        session = await driver.connect(Account(user, user, password), phone, at, clock=SystemClock())
    if isinstance(session, Refused | Unknown):
        raise SystemExit(f"not connected: {session}")
    return session


async def listen(session: Session, known: Known) -> None:
    """Take note of what comes."""
    async for item in session.incoming():
        if isinstance(item, Delivered) and item.client_message_id:
            known.comes(item.client_message_id)


async def write(session: Session, user: str, other: str, first_s: float, task: Mapping[str, Any], known: Known) -> None:
    """Write at set times, the first message at ``first_s`` by the loop's clock."""
    loop = asyncio.get_running_loop()
    for number in range(task["messages"]):
        await asyncio.sleep(first_s + number * task["think_s"] - loop.time())
        name = f"{user}-{task['play']}-{number}"
        outcome = await session.send(Outgoing(name, f"{user}+{other}", other, task["text"], 0), attempt=1)
        known.outcomes[name] = "accepted" if isinstance(outcome, Accepted) else type(outcome).__name__.lower()


async def main(task: Mapping[str, Any]) -> None:
    """Play."""
    people, gate = task["people"], asyncio.Semaphore(DIALS_AT_ONCE)
    known = Known(task["messages"] * len(people))
    sessions = await asyncio.gather(*(connected(user, password, task, gate) for user, password, _ in people))
    ears = [asyncio.create_task(listen(session, known)) for session in sessions]
    begins_s, step_s = asyncio.get_running_loop().time(), task["think_s"] / len(people)
    async with asyncio.TaskGroup() as all_of_them:
        for place, (session, (user, _, other)) in enumerate(zip(sessions, people, strict=True)):
            all_of_them.create_task(write(session, user, other, begins_s + place * step_s, task, known))
    with suppress(TimeoutError):
        await asyncio.wait_for(known.complete.wait(), LAST_COMES_WITHIN_S)
    await asyncio.gather(*(session.close() for session in sessions))
    await asyncio.gather(*ears)
    for name, outcome in known.outcomes.items():
        print(json.dumps([name, outcome, name in known.came]))


if __name__ == "__main__":
    gc.set_threshold(*COLLECTED_AFTER)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main(json.load(sys.stdin)))
