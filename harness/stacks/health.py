"""Whether a service answers: one small HTTP request at a time, without a client library's pools and retries."""

from __future__ import annotations

import asyncio

_PAUSE_S = 0.02
_ATTEMPT_S = 1.0
_OK = 200


async def wait_until_ok(host: str, port: int, path: str, within_s: float) -> str | None:
    """Ask again and again until a GET of ``path`` answers 200; None then, else a phrase for what was seen last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while True:
        seen = await _ask(host, port, path, min(_ATTEMPT_S, max(end - loop.time(), _PAUSE_S)))
        if seen is None or loop.time() >= end:
            return seen
        await asyncio.sleep(_PAUSE_S)


async def _ask(host: str, port: int, path: str, within_s: float) -> str | None:
    try:
        async with asyncio.timeout(within_s):
            status = await _status(host, port, path)
    except TimeoutError:
        return "no answer"
    except ConnectionRefusedError:
        return "connection refused"
    except OSError:
        return "connection lost"
    if status is None:
        return "an answer that is not HTTP"
    return None if status == _OK else f"status {status}"


async def _status(host: str, port: int, path: str) -> int | None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
    except ValueError:  # a line without end
        return None
    finally:
        writer.close()
    if not line:
        raise ConnectionResetError
    version, _, rest = line.decode("latin-1").partition(" ")
    return int(rest[:3]) if version.startswith("HTTP/") and rest[:3].isdigit() else None
