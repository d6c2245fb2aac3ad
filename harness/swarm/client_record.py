"""What a client program says of its messages and its connection, as the history by which it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatchmethod
from itertools import count
from typing import Any

from harness.core.digests import body_digest
from harness.drivers.api import Account, Device, Outgoing
from harness.drivers.stdio import lines
from harness.history.recorder import Recorder

NS_PER_MS = 1_000_000


@dataclass(slots=True)
class _Operation:
    """One message that the client was given, with what it has said of it."""

    message: Outgoing
    intended_ns: int
    attempt: int = 0
    in_flight: bool = False
    announced: bool = False
    client_message_id: str = ""
    settled: bool = False


class ClientRecord:
    """The events of one client program; ``link`` is its way to the service, ``accounts`` are everybody's, by person."""

    def __init__(
        self, device: Device, link: str, recorder: Recorder, key: bytes, accounts: Mapping[str, Account]
    ) -> None:
        self._device = device
        self._link = link
        self._recorder = recorder
        self._key = key
        self._people = {account.user: person for person, account in accounts.items()}
        self._operations: dict[str, _Operation] = {}
        self._sent: dict[str, _Operation] = {}
        self._connection: str | None = None
        self._connections = count(1)

    @property
    def pending(self) -> int:
        """Messages of which the client has said neither that they were accepted nor that they finally failed."""
        return sum(not operation.settled for operation in self._operations.values())

    @property
    def in_flight(self) -> int:
        """Messages whose current attempt awaits its answer."""
        return sum(operation.in_flight for operation in self._operations.values())

    def given(self, message: Outgoing, intended_ns: int) -> None:
        """Take note that the client was given a message."""
        self._operations[message.client_message_id] = _Operation(message, intended_ns)

    def record(self, event: str, **facts: Any) -> None:
        """Record something of the device."""
        self._recorder.record(event, device=self._device.id, **facts)

    def forgotten(self) -> None:
        """The client says that nothing is pending: what it has not settled, it has forgotten."""
        self._close("forgotten", [name for name, operation in self._operations.items() if not operation.settled])

    def given_up(self) -> None:
        """The client is gone: what it tried and did not settle is of unknown fate."""
        tried = [name for name, operation in self._operations.items() if not operation.settled and operation.attempt]
        self._close("given_up", tried)

    def disconnected(self, reason: str, *, clean: bool) -> None:
        """The live connection has ended, if there was one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._record_lost(reason, clean=clean, connection=connection)

    @singledispatchmethod
    def hear(self, said: lines.Said) -> None:
        """Record what the client says; raises ``BadLine`` for a message that it was never given."""
        del said  # answers to the harness are no part of the history

    @hear.register
    def _(self, said: lines.Connected) -> None:
        del said
        self.disconnected("replaced", clean=False)
        self._connection = f"{self._device.id}#{next(self._connections)}"
        self.record("connection_opened", connection=self._connection, link=self._link)

    @hear.register
    def _(self, said: lines.Disconnected) -> None:
        if self._connection is None:
            self._record_lost(said.reason, clean=said.clean)
        self.disconnected(said.reason, clean=said.clean)

    @hear.register
    def _(self, said: lines.Sending) -> None:
        operation = self._operation(said.op)
        if operation.attempt and not operation.announced:
            self.record("client_retry_scheduled", attempt=operation.attempt + 1, **self._common(said.op, operation))
        operation.attempt += 1
        operation.in_flight, operation.announced = True, False
        operation.client_message_id = said.client_message_id or said.op
        self.record(
            "client_send_started",
            attempt=operation.attempt,
            connection=self._connection,
            intended_ns=operation.intended_ns,
            client_time_ns=operation.message.client_time_ns,
            body_digest=body_digest(self._key, operation.message.body),
            **self._common(said.op, operation),
        )

    @hear.register
    def _(self, said: lines.Retry) -> None:
        operation = self._operation(said.op)
        operation.announced = True
        facts = {"attempt": operation.attempt + 1, "delay_ms": said.delay_ms}
        self.record("client_retry_scheduled", **facts, **self._common(said.op, operation))

    @hear.register
    def _(self, said: lines.Accepted) -> None:
        operation = self._operation(said.op)
        operation.in_flight, operation.settled = False, True
        self._sent[said.message_id] = operation
        common = self._common(said.op, operation)
        if said.conversation_id is not None:
            common["conversation_id"] = said.conversation_id
        self.record(
            "server_accepted",
            attempt=max(operation.attempt, 1),
            outcome="ok",
            connection=self._connection,
            message_id=said.message_id,
            conversation_seq=said.conversation_seq,
            server_time_ns=_ns(said.server_time_ms),
            **common,
        )

    @hear.register
    def _(self, said: lines.Failed) -> None:
        operation = self._operation(said.op)
        operation.in_flight, operation.settled = False, operation.settled or said.final
        outcome = "fail" if said.outcome == "refused" else "unknown"
        facts = {"http_status": said.http_status, "retry_after_ms": said.retry_after_ms}
        self._record_failure(said.op, operation, outcome, said.error_code, final=said.final, **facts)

    @hear.register
    def _(self, said: lines.Received) -> None:
        live = said.via == "live"
        self.record(
            "recipient_online_delivered" if live else "recipient_synced",
            via=said.via,
            connection=self._connection if live else None,
            message_id=said.message_id,
            client_message_id=said.client_message_id,
            conversation_id=said.conversation_id,
            conversation_seq=said.conversation_seq,
            server_time_ns=_ns(said.server_time_ms),
            sender=self._people.get(said.sender, said.sender),
            body_digest=body_digest(self._key, said.body),
        )

    @hear.register
    def _(self, said: lines.Opened) -> None:
        self.record("message_read", message_id=said.message_id)

    @hear.register
    def _(self, said: lines.Shows) -> None:
        operation = self._sent.get(said.message_id)
        by = None if said.by is None else self._people.get(said.by, said.by)
        self.record(
            "read_receipt_received" if said.state == "read" else "delivery_receipt_received",
            connection=self._connection,
            message_id=said.message_id,
            sender=by or (operation.message.recipient if operation else None),
            detail={"claimed": True},
        )

    @hear.register
    def _(self, said: lines.Synced) -> None:
        del said
        self.record("sync_completed", connection=self._connection)

    def _operation(self, op: str) -> _Operation:
        operation = self._operations.get(op)
        if operation is None:
            raise lines.BadLine("it speaks of an `op` that it was never given")
        return operation

    def _close(self, error_code: str, names: Sequence[str]) -> None:
        for name in names:
            self._operations[name].settled = True
            self._record_failure(name, self._operations[name], "unknown", error_code, final=True)

    def _record_lost(self, reason: str, *, clean: bool, connection: str | None = None) -> None:
        facts = {"connection": connection, "link": self._link, "error_code": reason}
        self.record("connection_lost", detail={"clean": clean}, **facts)

    def _record_failure(
        self, op: str, operation: _Operation, outcome: str, error_code: str, *, final: bool, **facts: Any
    ) -> None:
        self.record(
            "client_send_failed",
            attempt=operation.attempt or None,
            outcome=outcome,
            error_code=error_code,
            detail={"final": True} if final else None,
            **facts,
            **self._common(op, operation),
        )

    def _common(self, op: str, operation: _Operation) -> dict[str, Any]:
        message = operation.message
        return {
            "op": op,
            "client_message_id": operation.client_message_id or op,
            "conversation_id": message.conversation_id,
            "sender": self._device.person,
            "recipient": message.recipient,
            "link": self._link,
        }


def _ns(ms: int | None) -> int | None:
    return None if ms is None else ms * NS_PER_MS
