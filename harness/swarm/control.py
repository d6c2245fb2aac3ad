"""The engine's side of the control socket: the swarm as an object."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.core.errors import EnvironmentFault
from harness.core.events import Phase
from harness.swarm.config import SwarmConfig, to_json

ANSWER_LIMIT_S = 10.0
LOADING_LIMIT_S = 30.0
"""For the first command, which also waits until the process has loaded its libraries."""
GRACE_S = 5.0
"""Beyond its own deadline a command may take this long before the swarm counts as hung."""
LINE_LIMIT = 16 * 1024 * 1024

Fired = Callable[[int], None]
"""Called with the ``mono_ns`` of the event that a watch waited for."""


@dataclass(frozen=True, slots=True)
class Followed:
    """How the final phase went: devices that followed their cursor to the end, and the names of those that did not."""

    devices: int
    synced: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OracleRead:
    """How the oracle's reading went."""

    complete: bool
    messages: int


@dataclass(frozen=True, slots=True)
class SwarmStatus:
    """Messages not settled, messages awaiting an answer, and the generator's lateness in the last second."""

    pending: int
    in_flight: int
    lag_ms: float


class SwarmClient:
    """Commands to one swarm process; each raises ``EnvironmentFault`` when it died, hangs or could not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lost = asyncio.Event()
        """Set when the process is gone without having been told to stop."""
        self._reader = reader
        self._writer = writer
        self._next = 0
        self._told_to_stop = False
        self._trouble: EnvironmentFault | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._fired: dict[str, Fired] = {}
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def over(cls, connection: socket.socket) -> SwarmClient:
        """Return the client of the swarm at the other end of a connected socket, which it owns from now on."""
        return cls(*await asyncio.open_connection(sock=connection, limit=LINE_LIMIT))

    async def configure(self, config: SwarmConfig, within_s: float = LOADING_LIMIT_S) -> str:
        """Tell who plays what; returns the id of the swarm's event writer."""
        return str((await self._do("configure", limit_s=within_s, **to_json(config)))["writer"])

    async def provision(self, within_s: float) -> None:
        """Make accounts and connect every device."""
        await self._do("provision", within_s=within_s)

    async def begin(self) -> None:
        """Start the workloads."""
        await self._do("begin")

    async def phase(self, phase: Phase) -> None:
        """Enter a phase."""
        await self._do("phase", phase=phase)

    async def watch(self, watch: str, *, event: str, of: str | None, nth: int, fired: Fired) -> None:
        """Call ``fired`` once, at the nth such event; ids of watches are used once."""
        self._fired[watch] = fired
        await self._do("watch", watch=watch, event=event, of=of, nth=nth)

    async def set_clock(self, device: str, offset_s: float) -> None:
        """Move the wall clock of one device."""
        await self._do("set_clock", device=device, offset_s=offset_s)

    async def clock(self, device: str) -> float:
        """Return by how many seconds a device's wall clock is off."""
        return float((await self._do("clock", device=device))["offset_s"])

    async def say(self, device: str, to: str, body: str) -> str:
        """Let a device send one message; returns its client id."""
        return str((await self._do("say", device=device, to=to, body=body))["client_message_id"])

    async def sighted(self, message: str, events: Sequence[str], *, by: str | None, within_s: float) -> bool:
        """Wait until one of these events of a said message was recorded, by a person or device if ``by`` names one."""
        answer = await self._do("sighted", within_s=within_s, message=message, events=list(events), by=by)
        return bool(answer["sighted"])

    async def leave(self, device: str) -> None:
        """Let a device go offline on purpose."""
        await self._do("leave", device=device)

    async def come_back(self, device: str) -> None:
        """Let a device connect again."""
        await self._do("come_back", device=device)

    async def quiesce(self) -> None:
        """Let nobody write anything new."""
        await self._do("quiesce")

    async def final(self, within_s: float) -> Followed:
        """Let every device follow its own cursor to the end."""
        answer = await self._do("final", within_s=within_s)
        return Followed(answer["devices"], answer["synced"], tuple(answer["missing"]))

    async def oracle(self, within_s: float) -> OracleRead:
        """Read the truth."""
        answer = await self._do("oracle", within_s=within_s)
        return OracleRead(answer["complete"], answer["messages"])

    async def status(self) -> SwarmStatus:
        """Ask how much is under way."""
        answer = await self._do("status")
        return SwarmStatus(answer["pending"], answer["in_flight"], answer["lag_ms"])

    async def stop(self, within_s: float = ANSWER_LIMIT_S) -> None:
        """Let the swarm end in order, then close the socket."""
        self._told_to_stop = True
        await self._do("stop", limit_s=within_s)
        await self.close()

    async def close(self) -> None:
        """Close the socket; a swarm that still plays ends at once."""
        self._listener.cancel()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        self._fail_waiting("the connection to the simulated people was closed")

    def why_lost(self, before: str = "") -> EnvironmentFault:
        """Return why the process is gone, as far as it said so, and before which command."""
        return self._trouble or _died(before)

    async def _do(
        self, command: str, within_s: float | None = None, limit_s: float = ANSWER_LIMIT_S, **fields: Any
    ) -> dict[str, Any]:
        if self.lost.is_set():
            raise self.why_lost(command)
        self._next += 1
        number = self._next
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "do": command, **fields} | ({} if within_s is None else {"within_s": within_s})
        self._writer.write(msgspec.json.encode(message) + b"\n")
        limit_s = limit_s if within_s is None else within_s + GRACE_S
        try:
            async with asyncio.timeout(limit_s):
                answer: dict[str, Any] = await waiting
        except TimeoutError:
            raise EnvironmentFault(
                f"the simulated people did not answer {command!r} within {limit_s:g} s", hint=_LOG
            ) from None
        finally:
            self._waiting.pop(number, None)
        if not answer["ok"]:
            raise EnvironmentFault(answer["error"], hint=answer.get("hint", ""))
        return answer

    async def _listen(self) -> None:
        with suppress(OSError):
            while line := await self._reader.readline():
                self._take(msgspec.json.decode(line))
        if not self._told_to_stop:
            self.lost.set()
        self._fail_waiting(_DIED)

    def _take(self, message: dict[str, Any]) -> None:
        if "trouble" in message:
            self._trouble = EnvironmentFault(message["trouble"], hint=message["hint"])
            return
        if "fired" in message:
            self._fired.pop(message["fired"])(message["mono_ns"])
            return
        waiting = self._waiting.get(message["id"])
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _fail_waiting(self, why: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._trouble or EnvironmentFault(why, hint=_LOG))


_DIED = "the process that plays the people ended unexpectedly"
_LOG = "its log in the run folder says more"


def _died(command: str) -> EnvironmentFault:
    return EnvironmentFault(f"{_DIED}, before {command!r}" if command else _DIED, hint=_LOG)
