"""A small HTTP server for simulators: answers are made at once, or never when a provider is to hang."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from harness.proxy.http_wire import BadRequest, Request, RequestParser, Response

Handler = Callable[[Request], Response | None]
"""Makes the answer to a request; None leaves the client without one until it goes away by itself."""

_IDLE_S = 60.0
_READ_SIZE = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def json_response(status: int, data: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with a JSON body."""
    return Response(status, json.dumps(data).encode(), "application/json", headers or {})


async def serve(host: str, port: int, handler: Handler) -> asyncio.Server:
    """Listen and answer until the server is closed; raises ``OSError`` when the port cannot be had."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError):
            await _Conversation(reader, writer, handler).hold()
        writer.close()

    return await asyncio.start_server(converse, host, port)


class _Conversation:
    """The requests of one connection, answered in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._parser = RequestParser()

    async def hold(self) -> None:
        try:
            while data := await self._heard():
                self._parser.feed(data)
                if not await self._answer_all():
                    return
        except BadRequest as problem:
            await self._send(json_response(problem.status, {"error": str(problem)}), keep_alive=False)

    async def _heard(self) -> bytes:
        async with asyncio.timeout(_IDLE_S):
            return await self._reader.read(_READ_SIZE)

    async def _answer_all(self) -> bool:
        """Answer every whole request; False when the conversation is over."""
        while (request := self._parser.next()) is not None:
            response = self._handler(request)
            if response is None:
                await self._hang()
                return False
            await self._send(response, keep_alive=request.keep_alive, head_only=request.method == "HEAD")
            if not request.keep_alive:
                return False
        if self._parser.expects_continue:
            self._writer.write(_CONTINUE)
        return True

    async def _hang(self) -> None:
        """Read on without answering, until the client is gone."""
        while await self._reader.read(_READ_SIZE):
            pass

    async def _send(self, response: Response, *, keep_alive: bool, head_only: bool = False) -> None:
        self._writer.write(response.encode(keep_alive=keep_alive, head_only=head_only))
        await self._writer.drain()
