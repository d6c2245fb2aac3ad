"""One device that is played by a program of the user's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import EnvironmentFault, UsageError
from harness.drivers.api import Account, Device, Outgoing
from harness.drivers.stdio import lines
from harness.drivers.stdio.options import Command
from harness.drivers.stdio.program import Listening, Program
from harness.drivers.tokens import Spawn
from harness.history.recorder import Recorder
from harness.swarm.client_record import NS_PER_MS, ClientRecord
from harness.swarm.clocks import DeviceClock
from harness.swarm.config import Route
from harness.swarm.errands import Errands

PING_EVERY_S = 1.0
SILENT_AFTER_S = 8.0
"""A client that answers no ping for this long hangs; its user would have killed it."""
STARTS_WITHIN_S = 30.0
"""Until its first answer: a program that loads a large library on a busy machine does not hang."""
STOP_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Cast:
    """What all client programs of a run share; ``accounts`` are everybody's, by person."""

    command: Command
    accounts: Mapping[str, Account]
    recorder: Recorder
    listening: Listening
    key: bytes
    clock: Clock
    spawn: Spawn
    logs: Path


class ClientAgent:
    """Tells a client program what its user does, and hears what it says."""

    def __init__(self, device: Device, route: Route, cast: Cast) -> None:
        self.device = device
        self.clock = DeviceClock(cast.clock)
        self.in_touch = False
        self.last_error = "its client program has not said that it is connected"
        self._route = route
        self._cast = cast
        self._record = ClientRecord(device, route.link, cast.recorder, cast.key, cast.accounts)
        self._program: Program | None = None
        self._numbers = count(1)
        self._awaited: dict[int, asyncio.Event] = {}
        self._online = False
        self._closed = False
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def outbox(self) -> ClientAgent:
        """The program has its own; messages are handed to it by ``submit``."""
        return self

    @property
    def errands(self) -> Errands:
        """Nothing is asked in the name of a client that does everything by itself: raises ``UsageError``."""
        raise UsageError(
            f"{self.device.id} is played by a program: it has no groups, blocks or push tokens",
            hint="leave those capabilities out of the stack file",
        )

    @property
    def pending(self) -> int:
        """Messages of which the client has said neither that they were accepted nor that they finally failed."""
        return self._record.pending

    @property
    def in_flight(self) -> int:
        """Messages whose current attempt awaits its answer."""
        return self._record.in_flight

    def submit(self, message: Outgoing, *, intended_ns: int) -> None:
        """Let the user write a message."""
        if self._closed:
            return
        self._record.given(message, intended_ns)
        recipient = self._cast.accounts.get(message.recipient or "")
        self._tell(
            "send",
            op=message.client_message_id,
            conversation_id=message.conversation_id,
            to=recipient.user if recipient else message.recipient,
            body=message.body,
            client_time_ms=message.client_time_ns // NS_PER_MS,
        )

    def give_up(self) -> None:
        """Let the user write nothing more; what is under way is the client's business."""
        self._closed = True

    def come_online(self) -> None:
        """Start the program, or tell it that there is a network again; harmless when online."""
        if self._online:
            return
        self._online = True
        self._record.record("person_online", platform=self.device.platform, client_version=self.device.client_version)
        if self._task is None:
            self._task = self._cast.spawn(self._run())
        else:
            self._tell("online")

    async def go_offline(self) -> None:
        """Tell the client that its user has left; it stays quiet until told otherwise. Harmless when offline."""
        if not self._online:
            return
        self._online = False
        self._record.record("person_offline")
        self._tell("offline")

    async def follow_to_end(self) -> None:
        """Have the client fetch everything and settle what it was given.

        Raises ``EnvironmentFault`` when it breaks before it was ever in touch.
        """
        self.come_online()
        number, done = next(self._numbers), asyncio.Event()
        self._awaited[number] = done
        self._tell("sync", id=number)
        waits = [asyncio.create_task(done.wait()), asyncio.create_task(self._broken.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._broken.is_set() and not self.in_touch:
            raise EnvironmentFault(
                f"the client program of {self.device.id} is not fit to be tested: {self.last_error}",
                hint=f"try it by hand: {self._cast.command.shown}; docs/bring-your-own.md describes its lines",
            )
        if self._broken.is_set():
            await asyncio.Event().wait()  # it will never have fetched everything: whoever waits gives up
        self.in_touch = True
        if self._closed:
            self._record.forgotten()

    async def leave(self) -> None:
        """Ask the client to end; whatever it has not settled is of unknown fate."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._program is not None:
            await self._program.stop(lines.encode("stop"), STOP_WITHIN_S)
        self._record.given_up()

    async def _run(self) -> None:
        account, cast = self._cast.accounts[self.device.person], self._cast
        log = cast.logs / f"client-{self.device.id.replace('/', '-')}.log"
        self._program = await Program.start(cast.command, log, cast.listening, self._hear, self._break)
        self._program.tell(self._introduction(account))
        for number in self._awaited:
            self._tell("sync", id=number)
        pings = asyncio.create_task(self._ping())
        try:
            status = await self._program.ended()
            how = f"signal {-status}" if status < 0 else f"exit code {status}"
            # Later its last words may show what people wrote, which no event may.
            words = f"its last words: {self._program.last_words()}" if not self.in_touch else f"see logs/{log.name}"
            self._break("ended", f"it ended by itself with {how}; {words}")
        finally:
            pings.cancel()

    def _introduction(self, account: Account) -> bytes:
        return lines.encode(
            "start",
            v=lines.VERSION,
            chat=self._route.chat,
            auth=self._route.auth,
            user=account.user,
            password=account.password,
            device=self.device.id,
            platform=self.device.platform,
            client_version=self.device.client_version,
        )

    async def _ping(self) -> None:
        patience_s = STARTS_WITHIN_S
        while True:
            number, answered = next(self._numbers), asyncio.Event()
            self._awaited[number] = answered
            self._tell("ping", id=number)
            try:
                async with asyncio.timeout(patience_s):
                    await answered.wait()
            except TimeoutError:
                self._break("silent", f"it has answered no `ping` for {patience_s:g} s")
                return
            patience_s = SILENT_AFTER_S
            await asyncio.sleep(PING_EVERY_S)

    def _tell(self, do: str, **fields: Any) -> None:
        if self._program is not None and not self._broken.is_set():
            self._program.tell(lines.encode(do, **fields))

    def _break(self, code: str, what: str) -> None:
        """Take note that the client is no longer to be believed; what it did before stays on record."""
        if self._broken.is_set():
            return
        self._broken.set()
        self.last_error = what
        if self.in_touch:  # before, it was never under test: that is trouble, not a finding
            self._record.record("client_broken", error_code=code, detail={"what": what})
        if self._program is not None:
            self._program.kill()
        self._record.disconnected("client_broken", clean=False)

    def _hear(self, said: lines.Said) -> None:
        if self._broken.is_set():
            return
        try:
            self._record.hear(said)
        except lines.BadLine as bad:
            self._break("bad_line", str(bad))
            return
        match said:
            case lines.Synced(id=number) | lines.Pong(id=number):
                if waiting := self._awaited.pop(number, None):
                    waiting.set()
            case lines.Disconnected(reason=reason):
                self.last_error = reason
            case _:
                pass
