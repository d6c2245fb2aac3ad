"""Messages to single devices, in no conversation: what carries keys from one device to another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from harness.core.clock import Clock
from harness.core.digests import body_digest
from harness.core.errors import UsageError
from harness.drivers.api import DeviceMessages, Refused, Session, ToDevice, Unknown
from harness.history.recorder import Recorder
from harness.swarm.agent import Agent
from harness.swarm.generator import Generator, Lag
from harness.workloads.direct import Send


class ToDevices:
    """One person's messages to each device of another, sent from one device until the service has them.

    They go out side by side: none waits for the one before. What is under way when the play is cancelled stays of
    unknown fate.
    """

    def __init__(self, agent: Agent, devices: Sequence[str], recorder: Recorder, key: bytes) -> None:
        self._agent = agent
        self._devices = devices
        self._recorder = recorder
        self._key = key

    async def play(self, plan: Iterable[Send], clock: Clock, lag: Lag) -> None:
        """Send what is due when it is due, until cancelled."""
        async with asyncio.TaskGroup() as sends:

            def post(send: Send, _due_ns: int) -> None:
                for device in self._devices:
                    sends.create_task(self._send(send, device))

            await Generator(plan, post, clock=clock, lag=lag).play()

    async def _send(self, send: Send, device: str) -> None:
        name = f"{send.client_message_id}-{device.partition('/')[2]}"
        message = ToDevice(name, send.recipient, device, send.body)
        facts = {
            "client_message_id": message.id,
            "sender": send.sender,
            "recipient": send.recipient,
            "device": self._agent.device.id,
            "detail": {"to": device},
        }
        attempts = count(1)

        async def attempt(session: Session) -> Refused | Unknown | None:
            return await self._attempt(session, message, facts | {"attempt": next(attempts)})

        await self._agent.errands.run(attempt)

    async def _attempt(self, session: Session, message: ToDevice, facts: dict[str, Any]) -> Refused | Unknown | None:
        """Try once. One that is given up for its time leaves its beginning without an end: its fate is unknown."""
        digest = body_digest(self._key, message.body)
        self._recorder.record("to_device_send_started", body_digest=digest, **facts)
        outcome = await as_device_messages(session).send_to_device(message)
        if outcome is None:
            self._recorder.record("to_device_accepted", outcome="ok", **facts)
        else:
            self._recorder.record(
                "to_device_send_failed",
                outcome="fail" if isinstance(outcome, Refused) else "unknown",
                error_code=outcome.error_code,
                http_status=outcome.http_status,
                retry_after_ms=outcome.retry_after_ms,
                **facts,
            )
        return outcome


def as_device_messages(session: Session) -> DeviceMessages:
    """Return the session as one that sends to devices; raises ``UsageError`` for a protocol that has no such thing."""
    if not isinstance(session, DeviceMessages):
        raise UsageError(
            "the stack's driver has no messages to devices", hint="add `needs: [to_device]` to the scenario"
        )
    return session
