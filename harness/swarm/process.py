"""The swarm as a process: commands come in as JSON lines over an inherited socket, answers and cues go out."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from harness.core.errors import ChatChaosError, UsageError, cause_of
from harness.core.verdicts import Verdict
from harness.swarm.config import from_json
from harness.swarm.loop import make_loop
from harness.swarm.play import Swarm

Command = dict[str, Any]
Answer = dict[str, Any]

ORPHANED = 1
LINE_LIMIT = 16 * 1024 * 1024
COLLECTED_AFTER = (10_000, 5, 10_000)
"""When garbage is collected: often among what is young, which takes milliseconds, and hardly ever among everything.
With thousands of people that is a million objects, and nobody can write for most of a second."""


class Control:
    """One engine's conversation with this process."""

    def __init__(self, writer: asyncio.StreamWriter, tasks: asyncio.TaskGroup, stopped: asyncio.Event) -> None:
        self._writer = writer
        self._tasks = tasks
        self._stopped = stopped
        self._swarm: Swarm | None = None
        self._commands: dict[str, Callable[[Command], Awaitable[Answer]]] = {
            "configure": self._configure,
            "provision": self._provision,
            "begin": self._begin,
            "crowd": self._crowd,
            "phase": self._phase,
            "watch": self._watch,
            "unwatch": self._unwatch,
            "set_clock": self._set_clock,
            "clock": self._clock,
            "join": self._join,
            "write": self._write_message,
            "catch_up": self._catch_up,
            "say": self._say,
            "sighted": self._sighted,
            "leave": self._leave,
            "come_back": self._come_back,
            "quiesce": self._quiesce,
            "final": self._final,
            "oracle": self._oracle,
            "status": self._status,
            "stop": self._stop,
        }

    async def carry_out(self, line: bytes) -> None:
        """Carry out one command and answer it; what a user can mend is answered, a defect ends the process."""
        command: Command = msgspec.json.decode(line)
        try:
            answer = {"ok": True, **await self._handler(command)(command)}
        except ChatChaosError as problem:
            answer = {"ok": False, "error": problem.what, "hint": problem.hint}
        self._write({"id": command["id"], **answer})
        if command["do"] == "stop":
            await self._writer.drain()
            self._stopped.set()

    async def terminate(self) -> None:
        """End in order without having been asked over the socket."""
        await self._stop({})
        self._stopped.set()

    def _handler(self, command: Command) -> Callable[[Command], Awaitable[Answer]]:
        handler = self._commands.get(str(command["do"]))
        if handler is None:
            raise UsageError(f"the swarm knows no command {command['do']!r}")
        return handler

    @property
    def _play(self) -> Swarm:
        if self._swarm is None:
            raise UsageError("the swarm was not configured yet")
        return self._swarm

    async def _configure(self, command: Command) -> Answer:
        if self._swarm is not None:
            raise UsageError("the swarm was configured already")
        self._swarm = Swarm(from_json(command), spawn=self._tasks.create_task, fired=self._fired, told=self._told)
        return {"writer": self._swarm.recorder.writer}

    async def _provision(self, command: Command) -> Answer:
        await self._play.provision(command["within_s"])
        return {}

    async def _begin(self, _: Command) -> Answer:
        await self._play.begin()
        return {}

    async def _crowd(self, command: Command) -> Answer:
        await self._play.resize(command["online"])
        return {}

    async def _phase(self, command: Command) -> Answer:
        self._play.enter(command["phase"])
        return {}

    async def _watch(self, command: Command) -> Answer:
        of, nth, each = command.get("of"), command["nth"], command.get("each", False)
        self._play.watch(command["watch"], event=command["event"], of=of, nth=nth, each=each)
        return {}

    async def _unwatch(self, command: Command) -> Answer:
        self._play.unwatch(command["watch"])
        return {}

    async def _set_clock(self, command: Command) -> Answer:
        self._play.clock(command["device"]).offset_s = command["offset_s"]
        return {}

    async def _clock(self, command: Command) -> Answer:
        return {"offset_s": self._play.clock(command["device"]).offset_s}

    async def _join(self, command: Command) -> Answer:
        await self._play.guests.join(command["person"], command["within_s"])
        return {}

    async def _write_message(self, command: Command) -> Answer:
        who, to, body = command["person"], command["to"], command["body"]
        return await self._play.guests.write(who, to, body, command["within_s"])

    async def _catch_up(self, command: Command) -> Answer:
        return {"synced": await self._play.guests.catch_up(command["person"], command["within_s"])}

    async def _say(self, command: Command) -> Answer:
        said = await self._play.prompter.say(command["device"], command["to"], command["body"])
        return {"client_message_id": said}

    async def _sighted(self, command: Command) -> Answer:
        wait = (command["message"], command["events"], command.get("by"), command["within_s"])
        return {"sighted": await self._play.prompter.sighted(*wait)}

    async def _leave(self, command: Command) -> Answer:
        await self._play.prompter.leave(command["device"])
        return {}

    async def _come_back(self, command: Command) -> Answer:
        self._play.prompter.come_back(command["device"])
        return {}

    async def _quiesce(self, _: Command) -> Answer:
        self._play.quiesce()
        return {}

    async def _final(self, command: Command) -> Answer:
        return dict(await self._play.final(command["within_s"]))

    async def _oracle(self, command: Command) -> Answer:
        return dict(await self._play.oracle(command["within_s"]))

    async def _status(self, _: Command) -> Answer:
        return dict(self._play.status())

    async def _stop(self, _: Command) -> Answer:
        if self._swarm is not None:
            await self._swarm.stop()
        return {}

    def _fired(self, watch: str, mono_ns: int) -> None:
        self._write({"fired": watch, "mono_ns": mono_ns})

    def _told(self, message: Answer) -> None:
        self._write(message)

    def _write(self, message: Answer) -> None:
        self._writer.write(msgspec.json.encode(message) + b"\n")


async def serve(connection: socket.socket) -> None:
    """Play until told to stop; the engine's end, seen as the end of the socket, ends this process at once."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=LINE_LIMIT)
    try:
        await _play(reader, writer)
    except* ChatChaosError as group:
        # Whoever gave the command that failed with it hears why, not only that nobody plays any more.
        trouble = cause_of(group)
        if isinstance(trouble, ChatChaosError):
            writer.write(msgspec.json.encode({"trouble": trouble.what, "hint": trouble.hint}) + b"\n")
            await writer.drain()
        raise
    finally:
        writer.close()


async def _play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    stopped = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        control = Control(writer, tasks, stopped)
        listening = tasks.create_task(_listen(reader, control, tasks))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: tasks.create_task(control.terminate()))
        await stopped.wait()
        listening.cancel()
        _cancel_others()


async def _listen(reader: asyncio.StreamReader, control: Control, tasks: asyncio.TaskGroup) -> None:
    with suppress(ConnectionError):  # whoever dies with something unread resets the line
        while line := await reader.readline():
            tasks.create_task(control.carry_out(line))
    # Nobody is left to play for. Nothing is written any more: the history shows a writer that was cut off.
    os._exit(ORPHANED)


def _cancel_others() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def main(control_fd: int) -> int:
    """Run the swarm on an inherited socket; returns the exit status."""
    problems: list[BaseException] = []
    gc.set_threshold(*COLLECTED_AFTER)
    try:
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(serve(socket.socket(fileno=control_fd)))
    except* ChatChaosError as group:
        problems.extend(_leaves(group))
    for problem in problems:
        sys.stderr.write(f"swarm: {problem}\n")
    return Verdict.ERROR.exit_code if problems else 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
