"""The HTTP endpoints of messages, and health."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.reference.bus import Bus
from harness.reference.frames import Post, Sync
from harness.reference.log import Log
from harness.reference.messages import Messages
from harness.reference.service import Chat
from harness.reference.storage import StorageFailed
from harness.reference.tokens import Tokens
from harness.reference.web import answer, bearer, body_of, query_of

HEALTH_WITHIN_S = 2.0


class ChatHttp:
    """Sends, the archive and health."""

    def __init__(self, tokens: Tokens, chat: Chat, messages: Messages, bus: Bus, log: Log) -> None:
        self._bus = bus
        self._tokens = tokens
        self._chat = chat
        self._messages = messages
        self._log = log

    def routes(self) -> list[Route]:
        """Return the endpoints."""
        return [
            Route("/v1/messages", self._send, methods=["POST"]),
            Route("/v1/archive", self._archive, methods=["GET"]),
            Route("/healthz", self._healthz, methods=["GET"]),
        ]

    async def _send(self, request: Request) -> Response:
        token = bearer(request.headers)
        draft = await body_of(request, Post)
        # Asked last, so that nothing comes between a good token and what it allows.
        appended = await self._chat.post(await self._tokens.identify(token), draft)
        message = appended.message
        stored = {
            "message_id": message.message_id,
            "client_message_id": message.client_message_id,
            "conversation_id": message.conversation_id,
            "seq": message.seq,
            "server_time_ms": message.server_time_ms,
        }
        return answer(stored, 201 if appended.fresh else 200)

    async def _archive(self, request: Request) -> Response:
        identity = await self._tokens.identify(bearer(request.headers))
        wanted = query_of(request, Sync, type="sync", ref="archive")
        page = await self._messages.page(identity.user, wanted)
        return answer({"items": page.items, "cursor": page.cursor, "more": page.more})

    async def _healthz(self, _: Request) -> Response:
        try:
            await asyncio.wait_for(self._messages.check(), HEALTH_WITHIN_S)
        except (StorageFailed, TimeoutError) as cause:
            self._log("unhealthy", cause=str(cause) or type(cause).__name__)
            return answer({"status": "database does not answer"}, 503)
        if not await self._bus.check():
            self._log("unhealthy", cause="cache")
            return answer({"status": "cache does not answer"}, 503)
        return answer({"status": "ok"})
