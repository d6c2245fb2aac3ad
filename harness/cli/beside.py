"""A stack that stands while somebody works with it."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Mapping, Sequence

import typer

from harness.core.errors import UsageError
from harness.engine.options import RunOptions
from harness.engine.people import route, straight
from harness.engine.standing import standing
from harness.stacks.api import Stack

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def held(options: RunOptions) -> int:
    """Let a stack stand until Ctrl-C or SIGTERM; raises what ``standing`` does."""
    asyncio.run(_held(options))
    return 0


def beside(options: RunOptions, command: Sequence[str]) -> int:
    """Run a command beside a stack and return its exit code; raises what ``standing`` does.

    Raises ``UsageError`` when there is no such program.
    """
    return asyncio.run(_beside(options, command))


async def _held(options: RunOptions) -> None:
    async with standing(options) as there:
        stopped = asyncio.Event()
        for one in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(one, stopped.set)
        for name, value in addresses(there.stack).items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        await stopped.wait()


async def _beside(options: RunOptions, command: Sequence[str]) -> int:
    async with standing(options) as there:
        try:
            process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **addresses(there.stack)})
        except OSError as problem:
            raise UsageError(f"cannot start {command[0]}: {problem.strerror}", hint="correct what follows --") from None
        # The terminal sends Ctrl-C to both: the command decides how it ends, and the stack stands until then.
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, process.terminate)
        status = await process.wait()
        return 128 - status if status < 0 else status


def addresses(stack: Stack) -> Mapping[str, str]:
    """Return where everything of a stack is, by the environment variables that tell it."""
    through, past = route(stack, None), straight(stack)
    return {
        "CHAT_CHAOS_STACK": stack.spec.source,
        "CHAT_CHAOS_CHAT": through.chat,
        "CHAT_CHAOS_AUTH": through.auth,
        "CHAT_CHAOS_DIRECT": past.chat,
        "CHAT_CHAOS_DIRECT_AUTH": past.auth,
        "CHAT_CHAOS_PROXY": stack.proxy.url,
    }
