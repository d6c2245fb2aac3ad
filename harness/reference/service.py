"""What the service does with a client's requests: store first, then answer, then hand to whoever is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from harness.reference.bus import Put
from harness.reference.device_mail import DeviceMail
from harness.reference.fanout import Fanout
from harness.reference.frames import (
    Ack,
    Confirm,
    Draft,
    Error,
    Mark,
    Ok,
    Page,
    Post,
    Receipt,
    Refused,
    Request,
    Send,
    Sync,
    check_content,
    encode,
)
from harness.reference.limits import Limiter
from harness.reference.log import Field, Log
from harness.reference.messages import Appended, Marked, Messages
from harness.reference.push import PushWorker
from harness.reference.sessions import CLOSE_CODES, Key, Session
from harness.reference.storage import Connection
from harness.reference.tokens import Identity, Tokens

T = TypeVar("T")


class Chat:
    """Answers requests in the order in which the store settles them."""

    def __init__(
        self,
        messages: Messages,
        tokens: Tokens,
        limiter: Limiter,
        fanout: Fanout,
        push: PushWorker,
        mail: DeviceMail,
        log: Log,
    ) -> None:
        self._messages = messages
        self._tokens = tokens
        self._limiter = limiter
        self._fanout = fanout
        self._push = push
        self._mail = mail
        self._log = log

    async def post(self, identity: Identity, draft: Post) -> Appended:
        """Store a message that came over HTTP and hand it out; raises ``Refused``."""
        origin = (identity.user, identity.device)
        try:
            stored = self._accept(identity, draft, draft.type)
        except Refused as refused:
            self._note_failure(origin, draft, refused)
            raise
        stored.add_done_callback(partial(self._posted, origin, draft))
        # Shielded: what is stored is handed out even when nobody waits for the answer any more.
        return await asyncio.shield(stored)

    def _posted(self, origin: Key, draft: Post, stored: asyncio.Future[Appended]) -> None:
        if stored.cancelled():
            return
        failure = stored.exception()
        if failure is None:
            facts = self._persisted(origin, draft, stored.result())
            self._hand_out(origin, stored.result(), facts)
        else:
            self._note_failure(origin, draft, failure)

    async def handle(self, session: Session, request: Request) -> None:
        """Start on a live session's request; waits only while too many of its requests are unanswered."""
        await session.slots.acquire()
        if session.closing.done():
            return
        match request:
            case Send():
                self._send(session, request)
            case Mark():
                marked = self._messages.mark(session.user, session.device, request)
                self._when(marked, session, request, partial(self._marked, session, request))
            case Sync():
                page = self._messages.page(session.user, request)
                self._when(page, session, request, partial(self._paged, session))
            case Confirm():
                confirmed = self._mail.confirm(session.key, request)
                self._when(confirmed, session, request, lambda _: session.push(encode(Ok(request.ref))))

    def _send(self, session: Session, request: Send) -> None:
        try:
            stored = self._accept(session.identity, request, request.message_type)
        except Refused as refused:
            session.slots.release()
            self._failed(session, request, refused)
        else:
            self._when(stored, session, request, partial(self._appended, session, request))

    def _accept(self, identity: Identity, draft: Draft, type: str) -> asyncio.Future[Appended]:
        check_content(draft.body, type)
        return self._messages.append((identity.user, identity.device), draft, partial(self._admit, identity))

    def _admit(self, identity: Identity, connection: Connection) -> None:
        self._tokens.verify(connection, identity)
        self._limiter.admit(connection, identity.user)

    def _when(self, future: asyncio.Future[T], session: Session, request: Request, then: Callable[[T], None]) -> None:
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
                self._failed(session, request, failure)

        future.add_done_callback(settled)

    def _failed(self, session: Session, request: Request, failure: BaseException) -> None:
        if isinstance(failure, Refused) and failure.code in CLOSE_CODES:
            session.close(CLOSE_CODES[failure.code])
        if isinstance(failure, Refused):
            answer = Error(request.ref, failure.code, failure.message, failure.retry_after_ms)
        else:
            text = "the service could not do it; whether anything was stored is unknown"
            answer = Error(request.ref, "unavailable", text)
        self._note_failure(session.key, request, failure)
        session.push(encode(answer))

    def _note_failure(self, origin: Key, request: Request | Post, failure: BaseException) -> None:
        self._log(
            "request_failed",
            sender=origin[0],
            device=origin[1],
            client_message_id=request.client_message_id if isinstance(request, Draft) else None,
            error_code=failure.code if isinstance(failure, Refused) else "unavailable",
            cause=type(failure).__name__,
        )

    def _appended(self, session: Session, request: Send, appended: Appended) -> None:
        message = appended.message
        facts = self._persisted(session.key, request, appended) | {"connection": session.connection}
        ack = Ack(
            ref=request.ref,
            message_id=message.message_id,
            client_message_id=message.client_message_id,
            conversation_id=message.conversation_id,
            seq=message.seq,
            server_time_ms=message.server_time_ms,
        )
        session.push(encode(ack), then=partial(self._log, "ack_sent", **facts))
        self._hand_out(session.key, appended, facts)

    def _persisted(self, origin: Key, draft: Draft, appended: Appended) -> dict[str, Field]:
        facts = self._facts(origin, draft, appended)
        self._log("message_persisted" if appended.fresh else "send_repeated", **facts)
        return facts

    def _facts(self, origin: Key, draft: Draft, appended: Appended) -> dict[str, Field]:
        message = appended.message
        return {
            "message_id": message.message_id,
            "client_message_id": message.client_message_id,
            "conversation_id": message.conversation_id,
            "conversation_seq": message.seq,
            "sender": message.sender,
            "recipient": draft.to,
            "device": origin[1],
            "server_time_ms": message.server_time_ms,
            "client_time_ms": message.client_time_ms,
        }

    def _hand_out(self, origin: Key, appended: Appended, facts: dict[str, Field]) -> None:
        if appended.fresh:
            news = Put(
                positions=appended.audience,
                frame=encode(appended.message),
                besides=origin,
                message_id=appended.message.message_id,
                pushes=[(job.user, job.device) for job in appended.pushes],
            )
            reached = self._fanout.put(news)
            self._push.take(appended.pushes)
            self._log("fanout_done", **facts, sessions=reached, pushes=len(appended.pushes))

    def _marked(self, session: Session, request: Mark, marked: Marked) -> None:
        session.push(encode(Ok(request.ref)))
        if not marked.tell:
            return
        receipt = Receipt(message_id=request.message_id, state=request.state, by=session.user, device=session.device)
        reached = self._fanout.put(Put(positions=marked.tell, frame=encode(receipt)))
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
