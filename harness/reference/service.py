"""What the service does with a client's requests: store first, then answer, then hand to whoever is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from harness.reference.frames import Ack, Error, Mark, Ok, Page, Receipt, Refused, Request, Send, Sync, encode
from harness.reference.log import Field, Log
from harness.reference.messages import Appended, Marked, Messages
from harness.reference.sessions import Session, Sessions

T = TypeVar("T")


class Chat:
    """Answers the requests of live sessions, in the order in which the store settles them."""

    def __init__(self, messages: Messages, sessions: Sessions, log: Log) -> None:
        self._messages = messages
        self._sessions = sessions
        self._log = log

    async def handle(self, session: Session, request: Request) -> None:
        """Start on a request; waits only while too many of this session's requests are unanswered."""
        await session.slots.acquire()
        match request:
            case Send():
                stored = self._messages.append(session.user, request)
                self._when(stored, session, request.ref, partial(self._appended, session, request))
            case Mark():
                marked = self._messages.mark(session.user, session.device, request)
                self._when(marked, session, request.ref, partial(self._marked, session, request))
            case Sync():
                page = self._messages.page(session.user, request)
                self._when(page, session, request.ref, partial(self._paged, session))

    def _when(self, future: asyncio.Future[T], session: Session, ref: str, then: Callable[[T], None]) -> None:
        # Callbacks rather than awaits: a client may have many sends in one group commit, and callbacks run in the
        # order in which the store settled them, which is what keeps live frames in the order of their sequence.
        def settled(done: asyncio.Future[T]) -> None:
            session.slots.release()
            if done.cancelled():
                return
            failure = done.exception()
            if failure is None:
                then(done.result())
            else:
                self._failed(session, ref, failure)

        future.add_done_callback(settled)

    def _failed(self, session: Session, ref: str, failure: BaseException) -> None:
        if isinstance(failure, Refused):
            answer = Error(ref, failure.code, failure.message)
        else:
            answer = Error(ref, "unavailable", "the service could not do it; whether anything was stored is unknown")
        self._log("request_failed", connection=session.connection, error_code=answer.code, cause=type(failure).__name__)
        session.push(encode(answer))

    def _appended(self, session: Session, request: Send, appended: Appended) -> None:
        message = appended.message
        facts: dict[str, Field] = {
            "message_id": message.message_id,
            "client_message_id": message.client_message_id,
            "conversation_id": message.conversation_id,
            "conversation_seq": message.seq,
            "sender": message.sender,
            "recipient": request.to,
            "device": session.device,
            "connection": session.connection,
            "server_time_ms": message.server_time_ms,
            "client_time_ms": message.client_time_ms,
        }
        self._log("message_persisted" if appended.fresh else "send_repeated", **facts)
        ack = Ack(
            ref=request.ref,
            message_id=message.message_id,
            client_message_id=message.client_message_id,
            conversation_id=message.conversation_id,
            seq=message.seq,
            server_time_ms=message.server_time_ms,
        )
        session.push(encode(ack), then=partial(self._log, "ack_sent", **facts))
        if appended.fresh:
            reached = self._sessions.fan_out(encode(message), {request.to, session.user}, besides=session.key)
            self._log("fanout_done", **facts, sessions=reached)

    def _marked(self, session: Session, request: Mark, marked: Marked) -> None:
        session.push(encode(Ok(request.ref)))
        if marked.tell is None:
            return
        receipt = Receipt(message_id=request.message_id, state=request.state, by=session.user, device=session.device)
        reached = self._sessions.fan_out(encode(receipt), [marked.tell])
        self._log(
            "receipt_stored",
            message_id=request.message_id,
            state=request.state,
            recipient=session.user,
            device=session.device,
            sessions=reached,
        )

    def _paged(self, session: Session, page: Page) -> None:
        session.push(encode(page))
        self._log(
            "page_sent",
            recipient=session.user,
            device=session.device,
            connection=session.connection,
            items=len(page.items),
            cursor=page.cursor,
            more=page.more,
        )
